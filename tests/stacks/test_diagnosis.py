"""What an earlier run left has one meaning and one cure, and another environment's release is not judged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stacks.operations import helm, leftovers
from stacks.operations.helm import Revision
from stacks.operations.leftovers import Facts, Lock, diagnose
from validation.clients.milvus import PREFIX

STALE, ALIVE = Lock(owner="root@here, process 1", is_stale=True), Lock(owner="ci@there, process 2", is_stale=False)


def revisions(*statuses: str) -> list[Revision]:
    old = datetime.now(UTC) - timedelta(hours=1)
    return [Revision(number=number, status=status, updated=old, description="as it was") for number, status in enumerate(statuses, 1)]


def facts(*statuses: str, **further: Any) -> Facts:
    return Facts(**{"environment": "t", "is_ours": True, "in_state": True, "revisions": revisions(*statuses), **further})


@pytest.mark.parametrize(
    ("statuses", "code", "cure", "revision"),
    [
        (("pending-install",), "release.pending_install", "remove", 0),
        (("failed",), "release.failed", "remove", 0),
        (("failed", "failed"), "release.failed", "remove", 0),
        (("deployed", "pending-upgrade"), "release.pending_upgrade", "roll back", 1),
        (("superseded", "deployed", "failed"), "release.failed", "roll back", 2),
        (("superseded", "deployed", "failed", "pending-rollback"), "release.pending_rollback", "roll back", 2),
        (("deployed", "uninstalling"), "release.uninstalling", "remove", 0),
    ],
)
def test_a_history_has_one_meaning_and_one_cure(statuses: tuple[str, ...], code: str, cure: str, revision: int) -> None:
    (finding,) = diagnose(facts(*statuses))
    assert (finding.code, finding.cure, finding.revision) == (code, cure, revision)
    assert (finding.pending_for_s is not None) == (statuses[-1] in helm.PENDING)


@pytest.mark.parametrize("statuses", [("deployed",), ("superseded", "failed", "deployed")])
def test_a_release_that_is_deployed_and_there_needs_nothing(statuses: tuple[str, ...]) -> None:
    assert diagnose(facts(*statuses, keys=[3])) == []


@pytest.mark.parametrize(
    ("further", "code", "cure"),
    [
        ({"missing_of_release": ["Deployment milvus-standalone"]}, "release.objects_missing", "roll back"),
        ({"in_state": False}, "release.not_in_state", "remove"),
        ({"missing_of_stack": ["Secret rag-milvus"]}, "state.objects_missing", "refresh"),
        ({"pending": ["milvus-store-credential"]}, "state.pending", "refresh"),
        ({"revisions": []}, "release.gone", "refresh"),
        ({"drilled": ["milvus-standalone"]}, "drill.left_over", "undo"),
        ({"unfinished": {Path("build/unfinished/1"): "./rag restore t --into docs"}}, "command.unfinished", "none"),
        ({"keys": [1, 2]}, "rotation.unfinished", "none"),
        ({"locks": [STALE]}, "state.stale_lock", "cancel"),
        ({"locks": [ALIVE]}, "state.locked", "wait"),
    ],
)
def test_what_pulumi_takes_for_unchanged_is_found_beside_a_record_that_is_good(further: dict[str, Any], code: str, cure: str) -> None:
    (finding,) = diagnose(facts("deployed", **further))
    assert (finding.code, finding.cure) == (code, cure)


def test_a_failed_upgrade_that_pulumi_knows_of_is_left_to_the_next_up() -> None:
    (finding,) = diagnose(facts("deployed", "failed", is_retried=True))
    assert (finding.code, finding.cure) == ("release.failed", "none")


def test_locks_are_mended_first_and_the_state_last_since_it_tells_who_began_the_release() -> None:
    found = diagnose(facts("deployed", "pending-upgrade", locks=[STALE], pending=["milvus-release"]))
    assert [finding.cure for finding in found] == ["cancel", "roll back", "refresh"]


@pytest.mark.parametrize(
    ("locks", "pending", "waits"),
    [
        ([STALE], ["milvus-release"], False),
        ([], ["milvus-release"], False),
        ([ALIVE], ["milvus-release"], True),
        (None, ["milvus-release"], True),
        ([], [], True),
    ],
)
def test_a_helm_is_given_its_time_unless_the_pulumi_that_began_it_is_known_to_be_gone(
    locks: list[Lock] | None, pending: list[str], *, waits: bool
) -> None:
    for plugin_runs in (False, True):  # a plugin outlives its Pulumi for minutes
        found = diagnose(facts("deployed", "pending-upgrade", locks=locks, pending=pending, plugin_runs=plugin_runs))
        (release,) = [finding for finding in found if finding.cure == "roll back"]
        assert (release.pending_for_s is not None) == (waits or plugin_runs)


def test_a_release_in_a_namespace_that_the_state_does_not_hold_is_not_looked_at() -> None:
    assert diagnose(Facts(environment="t", is_ours=False)) == []


def test_a_collection_that_a_gate_left_is_named_with_the_command_that_removes_it_and_anybody_elses_is_not() -> None:
    assert leftovers.of_collections("t", ["handbook", "backup_gate_1"]) == []
    (finding,) = leftovers.of_collections("t", ["handbook", f"{PREFIX}1", f"{PREFIX}2_segments"])
    assert (finding.code, finding.cure) == ("collections.left_over", "none"), "a gate may be at work on it: nobody removes it unasked"
    assert f"./rag collections t --drop {PREFIX}1 --drop {PREFIX}2_segments" in finding.action


def test_what_pulumi_patches_is_looked_for_as_the_object_that_it_patches() -> None:
    """The cluster knows no kind ServiceAccountPatch: looked for by that name it was never there, and no `up` went on."""
    resources = [
        {"type": "kubernetes:core/v1:ServiceAccountPatch", "id": "rag/default"},
        {"type": "kubernetes:apps/v1:Deployment", "id": "rag/llm"},
        {"type": "kubernetes:core/v1:Secret", "id": "other/key"},
    ]
    kinds = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in leftovers._declared(resources, "rag")]
    assert kinds == [("v1", "ServiceAccount", "default"), ("apps/v1", "Deployment", "llm")]
