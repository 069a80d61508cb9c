"""Everything that has to be carried into a network without the internet: images, those that the chart brings by itself too, and the chart.

Where the chart is on this machine, its own pods say which images they run; else the list does that was read from
chart 5.0.19: a chart of another version, the default 5.0.25 among them, may bring other images, and only the chart itself can say so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.subject import containers, get
from stacks import image_names, objects, pins, release
from stacks.commands.policies import subject_of
from stacks.environments import Environment
from stacks.release import Release


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the chart that has an image of its own."""

    switch: tuple[str, ...]
    """Key of the values that installs it."""
    image: tuple[str, ...]
    """Key of the values with `repository` and `tag`."""
    repository: str
    tag: str


PARTS = (Part(switch=("etcd", "enabled"), image=("etcd", "image"), repository="milvusdb/etcd", tag="3.5.25-r1"),)
"""What chart 5.0.19 installs by default for each part (read from its values.yaml and those of its subcharts; not from 5.0.25's)."""


def images(found: Environment) -> list[str]:
    """Names of all images, whole and sorted; with the digests of the lock where there is one."""
    asked = release.of(found)
    lock = pins.read(found.name)
    named = pins.named(found.settings).items()
    known = {name: lock.images[name].reference if lock is not None and name in lock.images else text for name, text in named}
    settled = {image_names.parse(text).text for text in pins.named(found.settings).values()}
    others = {image_names.parse(text).text for text in _of_pods(found)} - settled
    chart = set() if objects.chart_at_hand(asked) is not None else set(_by_the_chart(asked))
    return sorted({*(image_names.parse(text).text for text in known.values()), *others, *chart})


def _of_pods(found: Environment) -> Iterator[str]:
    for item in objects.of(found).found:
        for container in containers(subject_of(item)):
            yield str(container["image"])


def _by_the_chart(asked: Release) -> Iterator[str]:
    for part in PARTS:
        if get(asked.values, *part.switch) is True:
            given: Mapping[str, Any] = get(asked.values, *part.image) or {}
            text = f"{given.get('repository', part.repository)}:{given.get('tag', part.tag)}"
            yield image_names.parse(f"{given['registry']}/{text}" if given.get("registry") else text).text


def chart(found: Environment) -> str | None:
    """The chart as `helm pull` wants it; None for one that is on this machine already."""
    asked = release.of(found)
    if asked.repository is not None:
        return f"{asked.repository.rstrip('/')}/ {asked.chart} {asked.version}"
    return f"{asked.chart} {asked.version}" if asked.chart.startswith("oci://") else None
