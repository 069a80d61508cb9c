"""What only a migration can change is refused, with the reason, while nothing has been changed yet."""

from dataclasses import replace
from typing import Any

import pytest

from components.milvus_foundation import Foundation, FoundationProvider, problems

BASE = Foundation(wal="woodpecker", etcd="bundled", bucket="b", root_path="r", mode="cluster", version="2.6.15", migration=0)


def inputs(**changes: Any) -> dict[str, Any]:
    return dict(vars(replace(BASE, **changes)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"wal": "pulsar"}, "would be lost"),
        ({"etcd": "external"}, "Milvus would start empty"),
        ({"bucket": "c"}, "not in the new bucket"),
        ({"root_path": "s"}, "not below the new root path"),
        ({"mode": "standalone"}, "in different places"),
    ],
)
def test_a_change_that_would_lose_data_is_refused_until_the_operator_says_that_they_were_moved(change: dict[str, Any], why: str) -> None:
    refused = FoundationProvider("milvus-x10000:milvus").check(inputs(), inputs(**change)).failures
    assert refused is not None
    assert [why in failure.reason for failure in refused] == [True]
    assert "milvus.migration" in refused[0].reason
    assert problems(inputs(), inputs(**change, migration=1)) == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("2.5.15", "2.6.15", "first 2.5.16"),
        ("2.3.5", "2.6.15", "first 2.5.16"),
        ("2.6.15", "2.5.20", "cannot go back"),
        ("2.6.15", "3.0.0", "first 2.6.20"),
        ("2.5.16", "2.6.15", ""),
        ("2.6.20", "3.0.0", ""),
        ("2.6.15", "2.6.14", ""),
        ("", "2.6.15", ""),
    ],
)
def test_a_step_of_versions_is_one_that_the_manual_knows(old: str, new: str, why: str) -> None:
    found = problems(inputs(version=old), inputs(version=new))
    assert [why in reason for reason in found] == ([True] if why else [])


def test_the_first_installation_and_an_unchanged_one_are_nobodys_business() -> None:
    assert FoundationProvider().check({}, inputs()).failures == []
    assert FoundationProvider().check(inputs(), inputs()).failures == []
