"""A part of a group keeps the rest: one key that is set changes nothing but itself, in the settings and in the values of the chart."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.milvus_values import values
from stacks.problems import SettingsError
from stacks.settings import Settings, parse
from stacks.settings.milvus import MilvusSettings
from stacks.wiring import milvus
from tests.components.test_contract import DATA
from tests.stacks.test_settings import GOOD, configuration

Tree = Mapping[str, Any]
EXTERNAL = {"engine": "external", "external": {"url": "https://models.example.net/v1"}}
GPU = {"mode": "cluster", "index": {"profile": "gpu_cagra", "metric": "IP"}, "query_node": {"gpus": 1}}
CA = "stacks/example-ca.crt"
FILES = {name: yaml.safe_load(Path(f"stacks/Pulumi.{name}.yaml").read_text(encoding="utf-8"))["config"] for name in ("dev", "prod")}
BASES: list[Tree] = [
    {},
    {"milvus": {"mode": "cluster"}},
    {"milvus": {"mode": "cluster", "query_node": {"ephemeral_storage_gib": 100}}},
    {"milvus": {"mode": "cluster", "mix_coordinator": {"replicas": 1}}},
    {"milvus": GPU, "images": {"milvus": "milvus:v2.6.15-gpu"}},
    {"milvus": {"wal": "kafka", "kafka": {"brokers": ["kafka:9093"]}}},
    {"milvus": {"wal": "pulsar", "pulsar": {"address": "pulsar:6651"}}},
    {"milvus": {"etcd": "external", "etcd_cluster": {"endpoints": ["etcd:2379"]}}},
    {"milvus": {"tls": {"proxy_secret": "proxy", "ca_file": CA, "internal_secret": "internal", "internal_name": "milvus.internal"}}},
    {"milvus": {"authentication": True}, "access": {"client_cidrs": ["10.20.0.0/16"]}},
    {"milvus": {"authentication": True, "accept_authentication_bypass": "an earlier reason"}, "images": {"milvus": "milvus:v2.6.9"}},
    {"residency": {"mode": "locked"}},
    {"embedding": EXTERNAL, "llm": EXTERNAL, "images": {"embedding": None, "llm": None}},
    *({key.removeprefix("milvus-x10000:"): value for key, value in file.items()} for file in FILES.values()),
]
"""Settings that some keys need beside them."""


def laid_over(base: Tree, over: Tree) -> dict[str, Any]:
    both = dict(base)
    for key, value in over.items():
        both[key] = laid_over(both[key], value) if isinstance(both.get(key), Mapping) and isinstance(value, Mapping) else value
    return both


def read(base: Tree) -> Settings:
    return parse(configuration(laid_over(GOOD, base)))


@cache
def accepted(index: int) -> Settings:
    return read(BASES[index])


def groups(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, BaseModel]]:
    """Every group that may be given in part, by its path: one that has a default."""
    for name, field in model.model_fields.items():
        if not field.is_required() and isinstance(default := field.get_default(call_default_factory=True), BaseModel):
            yield f"{path}{name}", default
            yield from groups(type(default), f"{path}{name}.")


GROUPS = dict(groups(Settings))
KEYS = [
    (f"{path}.{name}", field)
    for path, default in GROUPS.items()
    for name, field in type(default).model_fields.items()
    if f"{path}.{name}" not in GROUPS and name != "engine"  # each engine needs what every other one refuses
]


def candidates(field: FieldInfo, present: object) -> Iterator[object]:
    """Values that may be valid: the field's own examples, and neighbours of what is there."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        if get_origin(annotation) is Literal:
            yield from get_args(annotation)
    yield from (yaml.safe_load(str(example).strip("'")) for example in field.examples or ())
    if isinstance(present, bool):
        yield not present
    elif isinstance(present, int | float):
        yield from (present + 1, present / 2, 10)
    if isinstance(present, Mapping):
        yield from ({name: 2 * value} for name, value in present.items() if isinstance(value, int | float))
    yield from (f"./{CA}", {"url": "https://other.example.net/v1"}, "fp8_e5m2", "other.internal", "", None)


def at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, Mapping) or not tree:
        return {path: tree}
    return {key: leaf for name, part in tree.items() for key, leaf in flat(part, f"{path}.{name}" if path else str(name)).items()}


def differing(old: Tree, new: Tree) -> set[str]:
    before, after = flat(old), flat(new)
    return {key for key in before.keys() | after.keys() if before.get(key, ...) != after.get(key, ...)}


def set_alone(path: str, field: FieldInfo) -> tuple[Settings, Settings]:
    """Settings without the key and with it; fails where no base takes any value."""
    for index, base in enumerate(BASES):
        before = accepted(index)
        present = at(before.model_dump(), path)
        for value in candidates(field, present):
            over: Any = value
            for name in reversed(path.split(".")):
                over = {name: over}
            try:
                after = read(laid_over(base, over))
            except SettingsError:
                continue
            if at(after.model_dump(), path) != present:
                return before, after
    raise AssertionError(f"no base of this test takes another value of {path}")


@pytest.mark.parametrize("path", GROUPS)
def test_a_group_that_is_given_in_part_starts_from_the_defaults_of_one_that_is_left_out(path: str) -> None:
    default = GROUPS[path]
    assert type(default).model_construct() == default


@pytest.mark.parametrize(("path", "field"), KEYS, ids=[path for path, _ in KEYS])
def test_one_key_changes_nothing_but_itself(path: str, field: FieldInfo) -> None:
    before, after = set_alone(path, field)
    assert {key for key in differing(before.model_dump(), after.model_dump()) if key != path and not key.startswith(f"{path}.")} == set()


COMPONENTS = {
    "proxy": "proxy",
    "mix_coordinator": "mixCoordinator",
    "query_node": "queryNode",
    "data_node": "dataNode",
    "streaming_node": "streamingNode",
}
SIZES = {
    "replicas": {"replicas"},
    "cpu_cores": {"resources.requests.cpu"},
    "memory_gib": {"resources.requests.memory", "resources.limits.memory"},
}


@pytest.mark.parametrize(("component", "chart_key"), COMPONENTS.items())
@pytest.mark.parametrize("key", SIZES)
def test_one_size_of_a_component_is_one_size_in_the_values_of_the_chart(component: str, chart_key: str, key: str) -> None:
    path = f"milvus.{component}.{key}"
    before, after = (values(milvus.shape_of(settings, {"milvus": "milvus"}, None), DATA) for settings in set_alone(path, dict(KEYS)[path]))
    assert differing(before, after) == {f"{chart_key}.{leaf}" for leaf in SIZES[key]}


@pytest.mark.parametrize(
    ("milvus", "proxies"),
    [
        ({}, 1),
        ({"mode": "cluster", "proxy": {"replicas": 3}}, 3),
        ({"mode": "cluster", "proxy": {"autoscaling": {"most_replicas": 8}}}, 8),
    ],
)
def test_the_gate_is_told_how_many_proxies_there_can_be(milvus: dict[str, Any], proxies: int) -> None:
    assert MilvusSettings.model_validate(milvus).proxies == proxies
