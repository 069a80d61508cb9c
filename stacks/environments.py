"""Environments by name: stacks/Pulumi.<name>.yaml, read as Pulumi would hand it to the program, without Pulumi.

The lab's own file knows no address: in a shell of the lab the whole configuration is where PULUMI_OPTION_CONFIG_FILE says; elsewhere
stacks/example.lab.yaml stands in for what `make up` finds out about its machine.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks import neighbours
from stacks.problems import SettingsError
from stacks.settings import Settings, parse

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment, by its settings."""

    name: str
    settings: Settings
    source: Path
    """File that the settings came from."""
    example: bool
    """Some settings are examples, since only a machine with this environment knows them."""


def names() -> list[str]:
    """Environments that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in _FOLDER.glob("Pulumi.*.yaml"))


def read(name: str) -> Settings:
    """Return the settings of one environment; SettingsError for a name without a file, and for wrong settings."""
    return load(name).settings


def load(name: str, *, own_files_only: bool = False) -> Environment:
    """Return one environment, as the shell's Pulumi would see it or, with `own_files_only`, from the files of the checkout alone.

    Raises SettingsError for a name without a file, and for wrong settings.
    """
    committed = _FOLDER / f"Pulumi.{name}.yaml"
    if not committed.is_file():
        raise SettingsError(f"there is no environment {name!r} ({committed.name} is missing); there are: {', '.join(names())}")
    whole = None if own_files_only else _of_the_shell(name)
    facts = _FOLDER / f"example.{name}.yaml"
    example = whole is None and facts.is_file()
    found = _config(committed if whole is None else whole)
    settings = parse(_as_pulumi_does(_laid_over(found, _config(facts)) if example else found))
    neighbours.refuse_shared(settings, name)
    return Environment(name=name, settings=settings, source=committed if whole is None else whole, example=example)


def _of_the_shell(name: str) -> Path | None:
    """Where the shell's Pulumi keeps the configuration of this stack, if it is another file than the committed one."""
    chosen = os.environ.get("PULUMI_OPTION_CONFIG_FILE")
    if chosen is None or os.environ.get("PULUMI_STACK") != name:
        return None
    path = Path(chosen)
    if not path.is_file():
        raise SettingsError(f"PULUMI_OPTION_CONFIG_FILE is {chosen}, and there is no such file; unset it, or bring the environment up")
    return path


def _config(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")).get("config", {})
    return found


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, group by group."""
    both = dict(base)
    for key, value in over.items():
        both[key] = _laid_over(base[key], value) if isinstance(base.get(key), Mapping) and isinstance(value, Mapping) else value
    return both


def _as_pulumi_does(found: Mapping[str, Any]) -> dict[str, Any]:
    """Every object a JSON text."""
    return {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in found.items()}
