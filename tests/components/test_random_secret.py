"""Random secrets: drawn once, kept until their number changes, and nothing of them in the state but an import path."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components.random_secret import RandomSecretProvider

KEY = RandomSecretProvider(number="rotation", output="value", size_bytes=32)
PASSWORD = RandomSecretProvider(number="generation", output="password", size_bytes=24)


def made(provider: RandomSecretProvider, number: int) -> dict[str, Any]:
    outs = provider.create({provider.number: number}).outs
    assert outs is not None
    return dict(outs)


def test_a_key_is_long_random_and_told_from_its_generation() -> None:
    keys = [made(KEY, 1) for _ in range(2)]
    assert keys[0]["value"] != keys[1]["value"]
    assert min(len(each["value"]) for each in keys) >= 43, "32 random bytes"
    assert not any(each["generation"] in each["value"] for each in keys)


def test_a_password_is_random_and_long_and_fits_what_milvus_takes() -> None:
    passwords = {made(PASSWORD, 1)["password"] for _ in range(20)}
    assert len(passwords) == 20
    assert all(6 <= len(password) <= 72 and password.isascii() for password in passwords)
    assert made(PASSWORD, 3)["generation"] == 3


@pytest.mark.parametrize("provider", [KEY, PASSWORD], ids=["key", "password"])
def test_only_another_number_changes_it(provider: RandomSecretProvider) -> None:
    before = made(provider, 1)
    assert provider.diff("x", before, {provider.number: 1}).changes is False
    assert provider.diff("x", before, {provider.number: 2}).changes is True
    after = provider.update("x", before, {provider.number: 2}).outs or {}
    assert after[provider.number] == 2
    assert after[provider.essential] != before[provider.essential]


@pytest.mark.parametrize("provider", [KEY, PASSWORD], ids=["key", "password"])
def test_a_provider_that_moved_is_an_update_that_keeps_the_secret(provider: RandomSecretProvider) -> None:
    before = {**made(provider, 1), "__provider": "an older pickle"}
    news = {provider.number: 1, "__provider": "this one"}
    compared = provider.diff("x", before, news)
    assert (compared.changes, compared.replaces) == (True, [])
    after = provider.update("x", before, news).outs
    assert after == {key: value for key, value in before.items() if key != "__provider"}


def test_the_state_holds_an_import_path_and_no_path_of_the_machine() -> None:
    pickled = base64.b64decode(serialize_provider(KEY))
    assert b"components.random_secret" in pickled
    assert str(Path.cwd()).encode() not in pickled
    assert len(pickled) < 250
