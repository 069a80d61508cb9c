"""Ask the registries for the digest of every image, and the repository for the chart, and write both to stacks/images.ENVIRONMENT.lock.

Asks the mirrors of registry.mirrors where there are some, trusts registry.ca_file besides the public authorities, and logs in as `docker
login` did. The lock is written when every question has its answer, and not at all if one has none (exit 4). Commit it.

For example:

    python -m stacks pin prod; git diff stacks/images.prod.lock
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi

from stacks import chart_source, image_names, objects, pins, registry, release
from stacks.commands import EnvironmentName, chosen
from stacks.environments import Environment
from stacks.pins import PinnedChart, PinnedImage, Pins
from stacks.problems import UnansweredError
from stacks.registry import Access
from stacks.settings import Settings


def run(environment: EnvironmentName) -> None:
    """Pin one environment."""
    found = chosen(environment, as_named=True, step="pin")
    with access_of(found.settings) as access:
        made = ask(found, access)
    objects.refuse_dropped_keys(found)
    print(f"{len(made.images)} images and the chart {made.chart.name} {made.chart.version} in {pins.write(environment, made)}")


@contextmanager
def access_of(settings: Settings) -> Iterator[Access]:
    """Trust the private authority besides the public ones, which are this shell's where it names some."""
    public = os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    private = settings.registry.ca_file
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as bundle:
        for path in (public, *([private] if private is not None else [])):
            bundle.write(Path(path).expanduser().read_text(encoding="utf-8") + "\n")
        bundle.flush()
        yield Access(ca_bundle=bundle.name, docker_config=registry.docker_config())


def ask(found: Environment, access: Access) -> Pins:
    """Ask everything, and say each answer as it comes; all that has none is named together.

    Raises UnansweredError.
    """
    answers: dict[str, PinnedImage] = {}
    problems: list[str] = []
    for name, text in pins.named(found.settings).items():
        image = image_names.mirrored(image_names.parse(text), found.settings.registry.mirrors)
        try:
            digest = registry.digest_of(image, access)
        except UnansweredError as error:
            problems.append(f"images.{name}: {error}")
            continue
        reference = f"{image.text.partition('@')[0]}@{digest}"
        print(f"images.{name}: {reference}", file=sys.stderr)
        answers[name] = PinnedImage(of=text, reference=reference)
    chart = _ask_chart(found, access, problems)
    if problems or chart is None:
        raise UnansweredError("\n".join(["nothing was written:", *problems]))
    return Pins(images=answers, chart=chart)


def _ask_chart(found: Environment, access: Access, problems: list[str]) -> PinnedChart | None:
    asked = release.of(found)
    try:
        made = PinnedChart(name=asked.chart, version=asked.version, sha256=chart_source.checksum(asked, access))
    except UnansweredError as error:
        problems.append(f"chart: {error}")
        return None
    print(f"chart: {made.name} {made.version} {made.sha256 or '(a directory: pinned by the commit)'}", file=sys.stderr)
    return made
