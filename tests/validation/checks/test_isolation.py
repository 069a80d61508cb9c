"""What counts as kept apart: a refusal for want of a right, and nothing else."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus has no types

from tests.validation.services import KubernetesApi
from validation.checks.isolation import denied
from validation.clients import kube
from validation.clients.login import Login
from validation.judge.errors import InvalidRunError, UsageError


def failing(message: str) -> Callable[[], Any]:
    def call() -> None:
        raise MilvusException(code=65535, message=message)

    return call


def test_a_refusal_for_want_of_a_right_is_kept_apart() -> None:
    assert denied(failing("PrivilegeInsert: permission deny to search"))


def test_a_success_is_not() -> None:
    assert not denied(lambda: None)


def test_a_failure_of_another_kind_proves_nothing() -> None:
    with pytest.raises(InvalidRunError, match="collection not found"):
        denied(failing("collection not found"))


def test_a_login_is_read_from_its_secret_and_its_password_is_not_shown(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_secret("milvus-search", username="search", password="made-up-words")
    with closing(kube.connect()) as api:
        login = api.login("rag", "milvus-search")
    assert login == Login(user="search", password="made-up-words")
    assert "made-up-words" not in repr(login)


def test_a_secret_without_a_password_is_named_with_the_cure(kubernetes_api: KubernetesApi) -> None:
    kubernetes_api.add_secret("milvus-search", username="search")
    with closing(kube.connect()) as api, pytest.raises(UsageError, match=r"milvus-search in rag has no password; deploy again"):
        api.login("rag", "milvus-search")
