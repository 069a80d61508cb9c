"""The lock of an environment: for each image the digest that was found behind its name, and the checksum of the chart.

Written by `make pin` as a whole or not at all. It stands beside the configuration that Pulumi reads: in stacks/, or with the lab's. A lock
that was made for another image or chart than the settings name now is refused, since it would pin what nobody asked for.
"""

import os
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, StringConstraints, ValidationError

from stacks.dump import dump, write_whole
from stacks.problems import SettingsError
from stacks.settings import Settings
from stacks.settings.group import Group

_FOLDER = Path(__file__).parent
_HEAD = "# Written by `make pin ENV={environment}`: what stood behind each name then. Commit it; never edit it.\n"
PinnedReference = Annotated[str, StringConstraints(pattern=r"@sha256:[0-9a-f]{64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PinnedImage(Group):
    """One image."""

    of: str
    """Name in the settings."""
    reference: PinnedReference
    """What is pulled: the name, at its mirror if it has one, with its digest."""


class PinnedChart(Group):
    """The chart."""

    name: str
    version: str
    sha256: Sha256 | None
    """Of its archive; None for a directory, which the commit pins."""


class Pins(Group):
    """A whole lock."""

    images: dict[str, PinnedImage] = Field(min_length=1)
    chart: PinnedChart

    def text(self, environment: str) -> str:
        """The file."""
        whole = {**{name: image.model_dump() for name, image in self.images.items()}, "chart": self.chart.model_dump()}
        return _HEAD.format(environment=environment) + dump(whole)


def path_of(environment: str) -> Path:
    """Where the lock of an environment is."""
    chosen = os.environ.get("PULUMI_OPTION_CONFIG_FILE")
    folder = Path(chosen).parent if chosen is not None and os.environ.get("PULUMI_STACK") == environment else _FOLDER
    return folder / f"images.{environment}.lock"


def read(environment: str) -> Pins | None:
    """Return the lock; None where there is none. SettingsError for one that is damaged."""
    path = path_of(environment)
    if not path.is_file():
        return None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Pins(chart=found.pop("chart"), images=found)
    except (ValidationError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} is no lock that `make pin` wrote: {error}; write it anew: make pin ENV={environment}", code="settings.lock"
        ) from None


def write(environment: str, pins: Pins) -> Path:
    """Write the lock in one step and return where."""
    path = path_of(environment)
    write_whole(path, pins.text(environment))
    return path


def named(settings: Settings) -> dict[str, str]:
    """Images that the settings name, by the name of the setting."""
    return {name: value for name, value in settings.images.model_dump().items() if isinstance(value, str)}


def pinned(settings: Settings, environment: str) -> Settings:
    """Return the settings with every image by its digest.

    Raises SettingsError where there is no lock, or one of other images.
    """
    found = read(environment)
    if found is None:
        raise SettingsError(
            f"there is no {path_of(environment)}, so nobody knows which programs the tags of {environment!r} stand for; "
            f"ask the registries and write it: make pin ENV={environment}",
            code="settings.lock",
        )
    stale = [f"{name} ({value})" for name, value in named(settings).items() if name not in found.images or found.images[name].of != value]
    if stale:
        raise SettingsError(
            f"{path_of(environment)} was made for other images than the settings name now: {', '.join(stale)}; make pin ENV={environment}",
            code="settings.lock",
        )
    images = settings.images.model_copy(update={name: found.images[name].reference for name in named(settings)})
    return settings.model_copy(update={"images": images})


def for_up(settings: Settings, environment: str) -> Settings:
    """Return what `pulumi up` takes: by digest where that is required or a lock is there; SettingsError where nobody knows them."""
    return pinned(settings, environment) if settings.images_pinned == "required" or read(environment) is not None else settings
