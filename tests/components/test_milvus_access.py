"""Root's password: made once, another one for every generation, and no way around a Milvus that does not answer."""

from typing import Any

import pytest

from components.milvus_access import login
from components.milvus_access.login import Address, LoginError, LoginProvider
from components.milvus_access.password import PasswordProvider
from tests.s3_server import free_port


def made(generation: int) -> dict[str, Any]:
    outs = PasswordProvider().create({"generation": generation}).outs
    assert outs is not None
    return outs


def test_a_password_is_random_and_long_and_fits_what_milvus_takes() -> None:
    passwords = {made(1)["password"] for _ in range(20)}
    assert len(passwords) == 20
    assert all(6 <= len(password) <= 72 and password.isascii() for password in passwords)


def test_a_higher_generation_is_another_password_and_the_same_one_keeps_it() -> None:
    provider = PasswordProvider()
    first = made(1)
    assert not provider.diff("root", first, {"generation": 1}).changes
    assert provider.diff("root", first, {"generation": 2}).changes
    second = provider.update("root", first, {"generation": 2}).outs
    assert second is not None
    assert second["password"] != first["password"]


def test_a_milvus_that_does_not_answer_is_an_error_that_says_what_may_still_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_TIMEOUT_S", 0.5)
    address = Address(uri=f"http://127.0.0.1:{free_port()}", ca_pem="")
    with pytest.raises(LoginError, match="the published default password of root may still be valid") as refused:
        login._accepts.__wrapped__(address, "secret-word")
    assert "administration_uri" in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_only_a_changed_password_or_address_speaks_to_milvus_again() -> None:
    there = {"uri": "http://m:19530", "ca_pem": "", "password": "p"}
    assert not LoginProvider().diff("root", there, there).changes
    assert LoginProvider().diff("root", there, {**there, "password": "q"}).changes
