"""Commands about images and the chart: which an environment needs, and the digests that are behind their names."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from policies.subject import containers, get
from stacks import promotion, rendering
from stacks.commands import EnvironmentName, Json, select, show
from stacks.environments import Environment
from stacks.images import chart, lock, mirrored, parse, registry
from stacks.images.lock import PinnedChart, PinnedImage, Pins
from stacks.problems import UnansweredError

_FROM = "Take the digests that passed last in the environment BELOW."
_ETCD = {"repository": "milvusdb/etcd", "tag": "3.5.25-r1"}
"""What chart 5.0.19 installs by default as etcd, by its values.yaml; another version, the default 5.0.25 too, may bring another one."""


def images(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Print the images and the chart of one environment."""
    selected = select(environment, as_named=True)
    release, mirrors = rendering.release(selected), selected.settings.registry.mirrors
    copies = {text: mirrored(parse(text), mirrors).text for text in needed(selected, release)}
    lines = [" ".join(["image", text, *([mirror] if mirror != text else [])]) for text, mirror in copies.items()]
    where = f"{release.repository.rstrip('/')}/ " if release.repository is not None else ""
    if where or release.chart.startswith("oci://"):
        lines.append(f"chart {where}{release.chart} {release.version}")
    named = {"repository": release.repository, "name": release.chart, "version": release.version}
    show({"images": [{"name": text, "mirror": mirror} for text, mirror in copies.items()], "chart": named}, lines, as_json=as_json)


def needed(environment: Environment, release: chart.Release) -> list[str]:
    """References of all images, whole and sorted; with the digests of the lock where there is one."""
    pins, named = lock.read(environment.name), lock.named(environment.settings)
    known = [pins.images[name].reference if pins is not None and name in pins.images else text for name, text in named.items()]
    of_pods = [str(each["image"]) for item in rendering.render(environment).objects for each in containers(item.subject)]
    others = {parse(text).text for text in of_pods} - {parse(text).text for text in named.values()}
    if chart.at_hand(release) is None and get(release.values, "etcd", "enabled") is True:
        given = {**_ETCD, **(get(release.values, "etcd", "image") or {})}
        text = f"{given['repository']}:{given['tag']}"
        known.append(f"{given['registry']}/{text}" if given.get("registry") else text)
    return sorted({*(parse(text).text for text in known), *others})


def pin(environment: EnvironmentName, *, below: Annotated[str, typer.Option("--from", metavar="BELOW", help=_FROM)] = "") -> None:
    """Pin one environment."""
    selected = select(environment, as_named=True, step="pin")
    release, passed = rendering.release(selected), promotion.newest(selected.settings, environment, below) if below else {}
    with registry.opened(selected.settings.registry.ca_file) as access:
        pins = _ask(selected, release, access, passed)
    chart.refuse_dropped_keys(release)
    print(f"{len(pins.images)} images and the chart {pins.chart.name} {pins.chart.version} in {lock.write(environment, pins)}")


def _ask(selected: Environment, release: chart.Release, access: registry.Access, passed: dict[str, str]) -> Pins:
    """Ask everything, and say each answer as it comes; all that has none is named together in an UnansweredError."""
    answers: dict[str, PinnedImage] = {}
    problems: list[str] = []
    for name, text in lock.named(selected.settings).items():
        image = mirrored(parse(text), selected.settings.registry.mirrors)
        image = replace(image, digest=parse(passed[name]).digest) if name in passed else image
        try:
            answers[name] = PinnedImage(of=text, reference=f"{image.text.partition('@')[0]}@{registry.digest_of(image, access)}")
        except UnansweredError as error:
            problems.append(f"images.{name}: {error}")
        else:
            print(f"images.{name}: {answers[name].reference}", file=sys.stderr)
    try:
        pinned = PinnedChart(name=release.chart, version=release.version, sha256=chart.checksum(release, access))
    except UnansweredError as error:
        raise UnansweredError("\n".join(["nothing was written:", *problems, f"chart: {error}"])) from None
    print(f"chart: {pinned.name} {pinned.version} {pinned.sha256 or '(a directory: pinned by the commit)'}", file=sys.stderr)
    if problems:
        raise UnansweredError("\n".join(["nothing was written:", *problems]))
    return Pins(images=answers, chart=pinned)
