"""What each engine comes to in the cluster, to the last field: a change shows itself in a file that somebody reads.

To accept a change: GOLDEN=write .venv/bin/pytest tests/stacks/models/test_golden.py, then read the difference.
"""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from policies.subject import Subject, context_of
from stacks.blueprint import build
from stacks.commands.policies import judged
from stacks.dump import dump
from stacks.settings import parse
from tests.deploy import Declared, deploy
from tests.stacks.models.engines import CASES, case

GOLDEN = Path(__file__).parent / "golden"
_HIDDEN = {"-secret": ("stringData", "<secret>"), "-load-weights": ("data", "<components/load_weights.py>")}
"""By the end of a name: a field whose values are not for reading."""


@functools.cache
def declared(name: str) -> tuple[list[Declared], dict[str, Any]]:
    """Return every object of the case's service in the cluster, and the stack's outputs that are about it."""
    service, outputs = name.partition("-")[0], dict[str, Any]()
    found = deploy(lambda: pulumi.Output.all(**vars(build(parse(case(name))))).apply(outputs.update))
    objects = [item for item in found if item.name.startswith(f"{service}-") and item.type.startswith("kubernetes:")]
    return objects, {key: value for key, value in outputs.items() if key.startswith(service)}


def rendered(found: list[Declared], outputs: dict[str, Any]) -> str:
    texts = [f"# outputs\n{dump(whole(outputs))}"]
    for item in sorted(found, key=lambda item: item.name):
        shown = dict(item.inputs)
        for key, instead in _HIDDEN.items():
            if item.name.endswith(key):
                field, text = instead
                shown[field] = dict.fromkeys(shown[field], text)
        texts.append(f"# {item.name}\n{dump(whole(shown))}")
    return "---\n".join(texts)


def whole(value: Any) -> Any:
    """Write 5 where the wire made 5.0 of it."""
    if isinstance(value, Mapping):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize("name", CASES)
def test_the_manifests_are_the_ones_that_were_read(name: str) -> None:
    path, now = GOLDEN / f"{name}.yaml", rendered(*declared(name))
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now


@pytest.mark.parametrize("name", CASES)
def test_they_keep_every_rule_of_production(name: str) -> None:
    subjects = [
        Subject(kind=item.inputs["kind"], name=item.name, content=item.inputs, protect=False)
        for item in declared(name)[0]
        if item.type.startswith("kubernetes:")
    ]
    broken = [(rule, violation.subject.name, violation.text) for rule, violation in judged(subjects, context_of("prod"))]
    assert broken == []


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)
