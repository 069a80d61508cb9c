"""The provider of generated keys: drawn once, kept until the rotation number changes, and nothing of it in the state but an import path."""

import base64
from pathlib import Path

from pulumi.dynamic.dynamic import serialize_provider

from components.api_key import GeneratedProvider

PROVIDER = GeneratedProvider()


def test_a_key_is_long_random_and_told_from_its_generation() -> None:
    made = [PROVIDER.create({"rotation": 1}).outs or {} for _ in range(2)]
    assert made[0]["value"] != made[1]["value"]
    assert min(len(each["value"]) for each in made) >= 43, "32 random bytes"
    assert not any(each["generation"] in each["value"] for each in made)


def test_only_another_rotation_number_changes_it() -> None:
    before = PROVIDER.create({"rotation": 1}).outs or {}
    assert PROVIDER.diff("x", before, {"rotation": 1, "__provider": "another pickle"}).changes is False
    assert PROVIDER.diff("x", before, {"rotation": 2}).changes is True
    after = PROVIDER.update("x", before, {"rotation": 2}).outs or {}
    assert after["rotation"] == 2
    assert {after["value"], after["generation"]}.isdisjoint({before["value"], before["generation"]})


def test_the_state_holds_an_import_path_and_no_path_of_the_machine() -> None:
    pickled = base64.b64decode(serialize_provider(PROVIDER))
    assert b"components.api_key" in pickled
    assert str(Path.cwd()).encode() not in pickled
    assert len(pickled) < 200
