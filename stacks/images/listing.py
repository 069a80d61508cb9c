"""Everything that has to be mirrored for a network without the internet: images, those that the chart brings by itself too, and the chart.

Where the chart is on this machine, its own pods say which images they run; else the list does that was read from
chart 5.0.19: a chart of another version, the default 5.0.25 among them, may bring other images, and only the chart itself can say so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.subject import containers, get
from stacks import images
from stacks.environments import Environment
from stacks.images import chart, lock
from stacks.images.chart import Release
from stacks.rendering import declared, objects

_ETCD = {"repository": "milvusdb/etcd", "tag": "3.5.25-r1"}
"""What chart 5.0.19 installs by default as etcd (read from its values.yaml and those of its subcharts; not from 5.0.25's)."""


def references(environment: Environment) -> list[str]:
    """References of all images, whole and sorted; with the digests of the lock where there is one."""
    release = declared.release(environment)
    pins, named = lock.read(environment.name), lock.named(environment.settings)
    known = {name: pins.images[name].reference if pins is not None and name in pins.images else text for name, text in named.items()}
    others = {images.parse(text).text for text in _of_pods(environment)} - {images.parse(text).text for text in named.values()}
    by_the_chart = set() if chart.at_hand(release) is not None else set(_by_the_chart(release))
    return sorted({*(images.parse(text).text for text in known.values()), *others, *by_the_chart})


def _of_pods(environment: Environment) -> Iterator[str]:
    for item in objects.render(environment).objects:
        for container in containers(item.subject):
            yield str(container["image"])


def _by_the_chart(release: Release) -> Iterator[str]:
    if get(release.values, "etcd", "enabled") is True:
        given: Mapping[str, Any] = {**_ETCD, **(get(release.values, "etcd", "image") or {})}
        text = f"{given['repository']}:{given['tag']}"
        yield images.parse(f"{given['registry']}/{text}" if given.get("registry") else text).text


def chart_to_pull(environment: Environment) -> str | None:
    """The chart as `helm pull` wants it; None for one that is on this machine already."""
    release = declared.release(environment)
    if release.repository is not None:
        return f"{release.repository.rstrip('/')}/ {release.chart} {release.version}"
    return f"{release.chart} {release.version}" if release.chart.startswith("oci://") else None
