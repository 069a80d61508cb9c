"""Environments by name: stacks/Pulumi.<name>.yaml, read as Pulumi would hand it to the program, and the one that Pulumi runs.

The lab's own file knows no address: in a shell of the lab the whole configuration is where PULUMI_OPTION_CONFIG_FILE says; elsewhere
stacks/example.lab.yaml stands in for what `./rag up` finds out about its machine.
"""

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from stacks import yaml_files
from stacks.images import lock
from stacks.problems import PROJECT, Locations, Problem, SettingsError, failure, located, problem
from stacks.settings import Settings, deployable, parse, plain
from stacks.yaml_files import SettingsFile

_FOLDER = Path(__file__).parent
_SLO = _FOLDER.parent / "validation"
Step = Literal["look", "pin", "up", "rollout"]
"""What settings are read for: to pin, placeholders must be gone; `up` needs the lock too, and a rollout the SLO file of its gate."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment, by its settings."""

    name: str
    settings: Settings
    source: Path  # file that the settings came from
    example: bool  # some settings are examples, since only a machine with this environment knows them
    placeholders: list[Problem] = field(default_factory=list)  # what is left of the examples and keeps it from being deployed


def file_of(name: str) -> Path:
    """Return where the settings of an environment stand."""
    return _FOLDER / f"Pulumi.{name}.yaml"


def slo_of(name: str) -> Path:
    """Return where the SLO file of its gate stands."""
    return _SLO / f"slo.{name}.yaml"


def names() -> list[str]:
    """Environments that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in _FOLDER.glob("Pulumi.*.yaml"))


def load(name: str, *, own_files_only: bool = False, step: Step = "look", changes: Sequence[str] = ()) -> Environment:
    """Return an environment, as the shell's Pulumi sees it or by the checkout's own files, with `changes` (KEY=VALUE); SettingsError."""
    committed, facts = file_of(name), _FOLDER / f"example.{name}.yaml"
    if not committed.is_file():
        raise failure("environment_unknown", name=name, file=committed.name, names=", ".join(names()))
    shell = os.environ.get("PULUMI_OPTION_CONFIG_FILE") if os.environ.get("PULUMI_STACK") == name and not own_files_only else None
    if shell is not None and not Path(shell).is_file():
        raise failure("environment_of_shell", file=shell)
    source, example = Path(shell) if shell is not None else committed, shell is None and facts.is_file()
    file = yaml_files.read(source)
    if example:
        from components.milvus_values.configuration import merge  # noqa: PLC0415  brings Pulumi, of which settings alone need nothing

        over, config = yaml_files.read(facts), copy.deepcopy(file.config)
        merge(config, over.config)
        locations = {**over.locations, **file.locations}
        file = SettingsFile(config=config, locations=locations, problems=[*file.problems, *over.problems])
    for each in changes:
        change(file.config, f"{PROJECT}:{each}")
    settings, left = _judge(name, file.config, file, step)
    return Environment(name=name, settings=settings, source=source, example=example, placeholders=left)


def change(config: dict[str, Any], pair: str) -> None:
    """Make one change, KEY=VALUE, to settings by group."""
    key, equals, text = pair.partition("=")
    *groups, last = key.split(".")
    if not equals or not last:
        raise failure("init_pair", pair=pair)
    place = config
    for group in groups:
        place = place.setdefault(group, {})
        if not isinstance(place, dict):
            raise failure("init_group", pair=pair, group=group)
    place[last] = yaml.safe_load(text)


def of_program(name: str, configuration: Mapping[str, Any]) -> Settings:
    """Return what `pulumi up` applies, images by digest where that is required; SettingsError, also for placeholders."""
    path = Path(os.environ.get("PULUMI_OPTION_CONFIG_FILE", file_of(name)))
    file = yaml_files.read(path) if path.is_file() else None
    is_used = file is not None and file.config.keys() == configuration.keys()  # not where Pulumi was given another one
    settings, _ = _judge(name, configuration, file if is_used else None, "up")
    return lock.pinned(settings, name, required=settings.images_pinned == "required")


def _judge(name: str, configuration: Mapping[str, Any], file: SettingsFile | None, step: Step) -> tuple[Settings, list[Problem]]:
    """Return settings and placeholders; SettingsError with all that is wrong, each with its place in the file."""
    problems = list(file.problems) if file is not None else []
    locations: Locations = file.locations if file is not None else {}
    settings = None
    try:
        settings = parse(configuration)
    except SettingsError as error:
        faulty = {each.path for each in problems}
        problems += [each for each in error.problems if each.path not in faulty]
    left = located(deployable.placeholders(plain(configuration)[0]), locations)
    problems += [
        *(deployable.bucket_conflicts(settings, name) if settings is not None else ()),
        *(left if step != "look" else ()),
        *(_missing_files(settings, name, step)),
    ]
    if problems or settings is None:
        raise SettingsError(problems=located(problems, locations))
    return settings, left


def _missing_files(settings: Settings | None, name: str, step: Step) -> Iterator[Problem]:
    if settings is not None and step in {"up", "rollout"}:
        try:
            pinned = lock.pinned(settings, name, required=settings.images_pinned == "required")
            if pinned.promotion is not None:
                from stacks import promotion  # noqa: PLC0415  brings Pulumi, as above

                yield from promotion.judge(pinned, name)[1]
        except SettingsError as error:
            yield from error.problems
    if step == "rollout" and not slo_of(name).is_file():
        yield problem("slo_missing", slo=yaml_files.shown(slo_of(name)))
