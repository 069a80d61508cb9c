"""Ask the registries for the digest of every image, and the repository for the chart, and write both to stacks/images.ENV.lock.

Asks the mirrors of registry.mirrors where there are some, trusts registry.ca_file besides the public authorities, and logs in as `docker
login` did. The lock is written when every question has its answer, and not at all if one has none (exit 4). Commit it.

For example:

    ./rag pin prod; git diff stacks/images.prod.lock
"""

import sys

from stacks import images, rendering
from stacks.commands import EnvironmentName, select
from stacks.environments import Environment
from stacks.images import chart, lock, registry
from stacks.images.chart import Release
from stacks.images.lock import PinnedChart, PinnedImage, Pins
from stacks.images.registry import Access
from stacks.problems import UnansweredError


def run(environment: EnvironmentName) -> None:
    """Pin one environment."""
    selected = select(environment, as_named=True, step="pin")
    release = rendering.release(selected)
    with registry.opened(selected.settings.registry.ca_file) as access:
        pins = ask(selected, release, access)
    chart.refuse_dropped_keys(release)
    print(f"{len(pins.images)} images and the chart {pins.chart.name} {pins.chart.version} in {lock.write(environment, pins)}")


def ask(selected: Environment, release: Release, access: Access) -> Pins:
    """Ask everything, and say each answer as it comes; all that has none is named together in an UnansweredError."""
    answers: dict[str, PinnedImage] = {}
    problems: list[str] = []
    for name, text in lock.named(selected.settings).items():
        image = images.mirrored(images.parse(text), selected.settings.registry.mirrors)
        try:
            reference = f"{image.text.partition('@')[0]}@{registry.digest_of(image, access)}"
        except UnansweredError as error:
            problems.append(f"images.{name}: {error}")
            continue
        print(f"images.{name}: {reference}", file=sys.stderr)
        answers[name] = PinnedImage(of=text, reference=reference)
    pinned = _ask_chart(release, access, problems)
    if problems or pinned is None:
        raise UnansweredError("\n".join(["nothing was written:", *problems]))
    return Pins(images=answers, chart=pinned)


def _ask_chart(release: Release, access: Access, problems: list[str]) -> PinnedChart | None:
    try:
        pinned = PinnedChart(name=release.chart, version=release.version, sha256=chart.checksum(release, access))
    except UnansweredError as error:
        problems.append(f"chart: {error}")
        return None
    print(f"chart: {pinned.name} {pinned.version} {pinned.sha256 or '(a directory: pinned by the commit)'}", file=sys.stderr)
    return pinned
