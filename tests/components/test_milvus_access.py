"""Root's login: no way around a Milvus that does not answer."""

import pytest

from components.milvus_access import reach
from components.milvus_access.reach import AccessError
from components.milvus_access.root import LoginProvider
from tests.s3_server import free_port


def test_a_milvus_that_does_not_answer_is_an_error_that_says_what_may_still_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_TIMEOUT_S", 0.5)
    monkeypatch.setattr(reach, "PATIENCE_S", 0)
    inputs = {"uri": f"http://127.0.0.1:{free_port()}", "ca_pem": "", "password": "secret-word"}
    with pytest.raises(AccessError, match="published default password of root may still be valid") as refused:
        LoginProvider("project:milvus").create(inputs)
    assert refused.value.code == "milvus.unreachable"
    assert "set project:milvus.administration_uri to" in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_only_a_changed_password_or_address_speaks_to_milvus_again() -> None:
    there = {"uri": "http://m:19530", "ca_pem": "", "password": "p"}
    assert not LoginProvider().diff("root", there, there).changes
    assert LoginProvider().diff("root", there, {**there, "password": "q"}).changes
