"""The lock of an environment: for each image the digest that was found behind its name, and the checksum of the chart.

Written by `./rag pin` as a whole or not at all. It stands beside the configuration that Pulumi reads: in stacks/, or with the lab's. A lock
that was made for another image or chart than the settings name now is refused, since it would pin what nobody asked for.
"""

import os
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, StringConstraints, ValidationError

from stacks.problems import failure
from stacks.settings import Settings
from stacks.settings.group import Group
from stacks.yaml_files import dump, write_whole

_FOLDER = Path(__file__).parent.parent
_HEAD = "# Written by `./rag pin {environment}`: what stood behind each name then. Commit it; never edit it.\n"


class PinnedImage(Group):
    """One image."""

    of: str  # name in the settings
    reference: Annotated[str, StringConstraints(pattern=r"@sha256:[0-9a-f]{64}$")]
    """What is pulled: the name, at its mirror if it has one, with its digest."""


class PinnedChart(Group):
    """The chart."""

    name: str
    version: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    """Of its archive; None for a directory, which the commit pins."""


class Pins(Group):
    """A whole lock."""

    images: dict[str, PinnedImage] = Field(min_length=1)
    chart: PinnedChart


def path_of(environment: str) -> Path:
    """Where the lock of an environment is."""
    config_file = os.environ.get("PULUMI_OPTION_CONFIG_FILE")
    folder = Path(config_file).parent if config_file is not None and os.environ.get("PULUMI_STACK") == environment else _FOLDER
    return folder / f"images.{environment}.lock"


def read(environment: str) -> Pins | None:
    """Return the lock; None where there is none. SettingsError for one that is damaged."""
    path = path_of(environment)
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Pins(chart=content.pop("chart"), images=content)
    except (ValidationError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise failure("lock_damaged", file=path, error=error, environment=environment) from None


def write(environment: str, pins: Pins) -> Path:
    """Write the lock in one step and return where."""
    path, images = path_of(environment), {name: image.model_dump() for name, image in pins.images.items()}
    write_whole(path, _HEAD.format(environment=environment) + dump({**images, "chart": pins.chart.model_dump()}))
    return path


def named(settings: Settings) -> dict[str, str]:
    """Images that the settings name, by the name of the setting."""
    return {name: value for name, value in settings.images.model_dump().items() if isinstance(value, str)}


def pinned(settings: Settings, environment: str, *, required: bool = False) -> Settings:
    """Return the settings with every image by the digest of the lock; SettingsError for one that is required and missing, or of others."""
    pins = read(environment)
    if pins is None and not required:
        return settings
    if pins is None:
        raise failure("lock_missing", file=path_of(environment), environment=environment)
    names = named(settings)
    if stale := [f"{name} ({value})" for name, value in names.items() if name not in pins.images or pins.images[name].of != value]:
        raise failure("lock_stale", file=path_of(environment), stale=", ".join(stale), environment=environment)
    images = settings.images.model_copy(update={name: pins.images[name].reference for name in names})
    return settings.model_copy(update={"images": images})
