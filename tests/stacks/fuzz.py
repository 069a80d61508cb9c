"""Seeded mutations of Pulumi.prod.yaml: each changes one setting, known to prod or not, to something that may or may not be right."""

import copy
import functools
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
import pytest
import yaml
from pydantic import BaseModel

from stacks import blueprint, environments
from stacks.environments import Environment
from stacks.rendering import Declared, declare
from stacks.settings import Settings
from stacks.settings.explain import field_at, group_of, variants

SEED = 20261129
COUNT = 300
PROD = Path("stacks/Pulumi.prod.yaml")
WORDS = [
    *("", " ", "off", "y", "null", "1e3", "0x1f", "007", "2026-01-01", "a b", "ä", "a\nb", "a: b", "a # b", "{", "[x", "--help", "x" * 300),
    *("a_b", "A", "a.b", "a/b", "/a", "..", "-", "a-", "4Gi", "500m", "-1", "0", "3", "0.5", "nan", "true", "https://x:0", "https://a_b"),
    *("https://[fd00::1]:9000", "https://store.corp.internal:9021", "http://a.corp.internal/v1", "a.corp.internal:9093", "milvus-store"),
    *("a-name", "another.name", "registry.corp.internal/a/b:1.2.3", "registry.corp.internal/a:latest", "stacks/example-ca.crt", "delete"),
]
NUMBERS: list[Any] = [0, -1, 1, 2, 3, 5, 7, 33, 100, 4096, 10**9, 10**30, 0.5, 1.25, 1e-9, 0.0001, True, False, None]
GROUPS: list[Any] = [[], {}, [""], ["a", "a"], ["a-name"], {"a": "b"}, {"ä": "b"}, {"a": "b c"}, {"a": 1}, [{"key": "a"}], [{"key": "a b"}]]


class Mutation(NamedTuple):
    """One setting, changed."""

    path: tuple[str, ...]
    value: Any

    @property
    def label(self) -> str:
        return f"{'.'.join(self.path)}={self.value!r}"[:80]


def paths(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every setting, those of prod's driver where there are several."""
    for name, field in model.model_fields.items():
        yield (*path, name)
        inner = variants(field).get("s3", group_of(field))
        if inner is not None and field_at(Settings, (*path, name)) is not None:
            yield from paths(inner, (*path, name))


def mutations(seed: int = SEED, count: int = COUNT) -> list[Mutation]:
    chance = random.Random(seed)  # noqa: S311  not for secrets
    places = [path for path in paths() if len(path) < 2 or "[" not in path[-1]]
    values = [*WORDS, *NUMBERS, *GROUPS]
    return [Mutation(chance.choice(places), chance.choice(_likely(chance, values))) for _ in range(count)]


def _likely(chance: random.Random, values: list[Any]) -> list[Any]:
    """All values, or a kind of them, so that some are of the right type."""
    return chance.choice([values, WORDS, NUMBERS, GROUPS, [1, 2, 5, 0.5, 33, True, False]])


def mutated(config: Mapping[str, Any], mutation: Mutation) -> dict[str, Any]:
    """Return the configuration with that one setting; a parent that is no group is replaced."""
    whole = copy.deepcopy(dict(config))
    first, *rest = mutation.path
    place, last = whole, f"milvus-x10000:{first}"
    for part in rest:
        if not isinstance(place.get(last), dict):
            place[last] = {}
        place, last = place[last], part
    place[last] = mutation.value
    return whole


def load(config: Mapping[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> Environment:
    """Read it as every command does; SettingsError."""
    file = folder / "Pulumi.prod.yaml"
    file.write_text(yaml.dump({"config": config}, Dumper=yaml.CSafeDumper, allow_unicode=True), encoding="utf-8")
    patch.setenv("PULUMI_OPTION_CONFIG_FILE", str(file))
    patch.setenv("PULUMI_STACK", "prod")
    return environments.load("prod")


def declared(environment: Environment) -> tuple[list[Declared], str]:
    """Everything that it declares; and all of it, what it exports too, as one text."""
    exported: dict[str, Any] = {}

    def program() -> None:
        for name, value in blueprint.build(environment.settings).items():
            pulumi.Output.from_input(value).apply(functools.partial(exported.__setitem__, name))

    found = declare(environment.name, program)
    whole = {"resources": [[each.type, each.name, dict(each.inputs), each.protect, each.retain] for each in found], "exports": exported}
    return found, json.dumps(whole, sort_keys=True, default=str, ensure_ascii=False)
