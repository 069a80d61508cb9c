"""Environments by name: stacks/Pulumi.<name>.yaml, read as Pulumi would hand it to the program, without Pulumi."""

import json
from pathlib import Path
from typing import Any

import yaml

from stacks.problems import SettingsError
from stacks.settings import Settings, parse

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Environments that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in _FOLDER.glob("Pulumi.*.yaml"))


def read(name: str) -> Settings:
    """Return the settings of one environment; SettingsError for a name without a file, and for wrong settings."""
    path = _FOLDER / f"Pulumi.{name}.yaml"
    if not path.is_file():
        raise SettingsError(f"there is no environment {name!r} ({path.name} is missing); there are: {', '.join(names())}")
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")).get("config", {})
    return parse({key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in found.items()})
