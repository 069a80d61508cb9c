"""Promises of the quota: told before anything is created, with the name of everyone who takes from it."""

from dataclasses import replace
from typing import Any

import pytest

from components.pods import Resources
from components.quota import Consumer, Quota, excess

SERVER = Resources(cpu_cores=1, memory_gib=4)
MILVUS = Consumer(name="milvus querynode", replicas=4, surge=1, resources=Resources(cpu_cores=2, memory_gib=16))
LLM = Consumer(name="llm", replicas=2, resources=SERVER, ephemeral_storage_gib=10)
ENOUGH = Quota(cpu_cores=13, memory_gib=92, pods=8, ephemeral_storage_gib=30)


def test_exactly_enough_is_enough() -> None:
    assert not excess(ENOUGH, [MILVUS, LLM])


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("cpu_cores", 12.9, "cpu_cores: 13 of 12.9"),
        ("memory_gib", 91, "memory_gib: 92 of 91"),
        ("pods", 7, "pods: 8 of 7"),
        ("ephemeral_storage_gib", 29, "ephemeral_storage_gib: 30 of 29"),
    ],
)
def test_a_little_less_is_told_with_every_consumer(field: str, value: Any, told: str) -> None:
    reason = excess(replace(ENOUGH, **{field: value}), [MILVUS, LLM])
    assert told in reason
    assert "milvus querynode: 5 pods of 2 cores and 16 GiB" in reason
    assert "llm: 3 pods of 1 cores and 4 GiB" in reason


def test_a_limit_that_is_not_set_limits_nothing() -> None:
    assert not excess(replace(ENOUGH, pods=None, ephemeral_storage_gib=None), [MILVUS, LLM])


@pytest.mark.parametrize(("replicas", "surge", "pods"), [(1, None, 2), (4, None, 5), (5, None, 7), (3, 0, 3), (3, 1, 4)])
def test_an_update_needs_room_for_the_new_pods_beside_the_old(replicas: int, surge: int | None, pods: int) -> None:
    assert Consumer(name="x", replicas=replicas, surge=surge, resources=SERVER).pods == pods


def test_the_object_says_it_in_the_apis_own_words() -> None:
    assert Quota(cpu_cores=0.5, memory_gib=64, pods=30, ephemeral_storage_gib=1.5).hard() == {
        "requests.cpu": "500m",
        "requests.memory": "64Gi",
        "limits.memory": "64Gi",
        "pods": "30",
        "requests.ephemeral-storage": "1536Mi",
    }
    assert set(Quota(cpu_cores=1, memory_gib=1, pods=None, ephemeral_storage_gib=None).hard()) == {
        "requests.cpu",
        "requests.memory",
        "limits.memory",
    }
