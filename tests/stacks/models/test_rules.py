"""Each engine of each service, as it comes to the cluster, keeps the rules of production."""

import functools

import pytest

from policies.subject import Subject, context_of
from stacks import environments
from stacks.blueprint import build
from stacks.commands.objects import judged
from stacks.settings import parse
from stacks.wiring import models
from tests.deploy import Declared, deploy
from tests.stacks.models.engines import CASES, case


@functools.cache
def declared(name: str) -> list[Declared]:
    """Return every object of the case's service in the cluster."""
    service = name.partition("-")[0]
    everything = deploy(lambda: build(parse(case(name))))
    return [item for item in everything if item.name.startswith(f"{service}-") and item.type.startswith("kubernetes:")]


@pytest.mark.parametrize("name", CASES)
def test_they_keep_every_rule_of_production(name: str) -> None:
    subjects = [Subject(kind=item.inputs["kind"], name=item.name, content=item.inputs, protect=False) for item in declared(name)]
    broken = [(rule, violation.subject.name, violation.text) for rule, violation in judged(subjects, context_of("prod"))]
    assert broken == []


def test_what_an_operator_should_know_of_an_engine_is_noted_by_service() -> None:
    noted = models.notes(environments.load("prod", own_files_only=True).settings)
    assert [note.partition(":")[0] for note in noted] == ["embedding", "llm"]
    assert "in silence" in noted[0]
    assert "/invocations" in noted[1]
    unknown = models.notes(parse(case("llm-vllm")))
    assert "the tag of its image shows no version of vllm" in "".join(unknown)
