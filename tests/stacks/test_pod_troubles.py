"""What keeps a pod from starting is read from the API's objects: the right cause, once, with words that lead to its cure."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.tree import COMMANDS
from stacks.operations import pods
from stacks.operations.pods import Snapshot, Trouble, find_troubles
from stacks.settings import Settings
from stacks.settings.explain import field_at

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SEEN = "2026-03-01T11:59:50Z"
LONG_AGO = "2026-03-01T11:00:00Z"


def pod(name: str = "milvus-5d8f-abcde", *, status: dict[str, Any], owner: str = "ReplicaSet milvus-5d8f", **spec: Any) -> dict[str, Any]:
    kind, _, owner_name = owner.partition(" ")
    metadata = {
        "name": name,
        "uid": f"uid of {name}",
        "labels": {"pod-template-hash": "5d8f"},
        "ownerReferences": [{"kind": kind, "name": owner_name, "uid": f"uid of {owner_name}"}],
    }
    containers = [{"name": "milvus", "resources": {"limits": {"memory": "64Mi"}}}]
    return {"metadata": metadata, "spec": {"containers": containers, "securityContext": {"runAsUser": 1000}, **spec}, "status": status}


def container(*, ready: bool = False, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    whole = {"name": "milvus", "image": "registry.test/milvus:1", "ready": ready, "state": state, "lastState": {}}
    return {"containerStatuses": [{**whole, "lastState": {"terminated": last} if last else {}}]}


def waiting(reason: str, message: str = "", last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"phase": "Pending", **container(waiting={"reason": reason, "message": message}, last=last)}


def ended(code: int, reason: str = "Error", message: str = "", finished: str = SEEN) -> dict[str, Any]:
    return {"exitCode": code, "reason": reason, "message": message, "finishedAt": finished}


def event(of: str, reason: str, message: str, at: str = SEEN, kind: str = "Pod") -> dict[str, Any]:
    involved = {"kind": kind, "name": of, "uid": f"uid of {of}"}
    return {"involvedObject": involved, "reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


def unschedulable(message: str) -> dict[str, Any]:
    return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


def find(*pods: dict[str, Any], events: Any = (), controllers: Any = ()) -> list[Trouble]:
    return find_troubles(Snapshot(environment="t", namespace="rag", now=NOW, pods=pods, events=list(events), controllers=list(controllers)))


BACK_OFF = "back-off 10s restarting failed container"
STATUSES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "unknown image": (waiting("ImagePullBackOff", "manifest unknown"), "pod.image", "manifest unknown", "./rag pin t"),
    "login": (waiting("ErrImagePull", "401 Unauthorized"), "pod.image", "401", "registry.pull_secrets"),
    "registry's CA": (waiting("ErrImagePull", "x509: unknown authority"), "pod.image", "x509", "CA"),
    "no way": (waiting("ErrImagePull", "dial tcp: i/o timeout"), "pod.image", "i/o timeout", "registry.mirrors"),
    "126": (waiting("CrashLoopBackOff", BACK_OFF, ended(126)), "pod.cannot_execute", "user 1000 may not execute", "milvus.user_id"),
    "127": (waiting("CrashLoopBackOff", BACK_OFF, ended(127)), "pod.cannot_execute", "not in the image", "milvus.user_id"),
    "no start": (waiting("RunContainerError", "exec: permission denied"), "pod.cannot_execute", "permission denied", "milvus.user_id"),
    "crash": (waiting("CrashLoopBackOff", BACK_OFF, ended(1, message="no bucket")), "pod.crashes", "no bucket", "--previous"),
    "crash that runs again": (container(running={"startedAt": SEEN}, ready=True, last=ended(1)), "pod.crashes", "exit 1", "--previous"),
    "ends well again and again": (waiting("CrashLoopBackOff", BACK_OFF, ended(0)), "pod.crashes", "exit 0", "--previous"),
    "memory": (container(running={"startedAt": SEEN}, last=ended(137, "OOMKilled")), "pod.out_of_memory", "64Mi", "memory_gib"),
    "no Secret": (waiting("CreateContainerConfigError", 'secret "x" not found'), "pod.config", "secret", "create secret generic x "),
    "no key": (waiting("CreateContainerConfigError", "couldn't find key k in Secret rag/x"), "pod.config", "key k", "add the key k"),
    "root": (waiting("CreateContainerConfigError", "container has runAsNonRoot"), "pod.config", "runAsNonRoot", "root"),
    "taint": (unschedulable("1 node(s) had untolerated taint {dedicated: gpu}"), "pod.unschedulable", "dedicated", "pods.tolerations"),
    "control plane": (
        unschedulable("3 Insufficient memory, 3 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"),
        "pod.unschedulable",
        "control-plane",
        "./rag needs t",
    ),
    "control plane alone": (
        unschedulable("1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"),
        "pod.unschedulable",
        "control-plane",
        "pods.tolerations",
    ),
    "sick node": (
        unschedulable("1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }"),
        "pod.unschedulable",
        "disk-pressure",
        "kubectl describe nodes",
    ),
    "selector": (unschedulable("didn't match Pod's node affinity/selector"), "pod.unschedulable", "affinity", "pods.node_selector"),
    "cpu": (unschedulable("2 Insufficient cpu"), "pod.unschedulable", "Insufficient cpu", "./rag needs t"),
    "gpu": (unschedulable("1 Insufficient nvidia.com/gpu"), "pod.unschedulable", "nvidia", "./rag gpus t"),
    "claim": (unschedulable("unbound immediate PersistentVolumeClaims"), "pod.unschedulable", "unbound", "storage_class"),
    "evicted": ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "pod.evicted", "Evicted: disk", "describe nodes"),
    "not ready": (container(running={"startedAt": LONG_AGO}), "pod.not_ready", LONG_AGO, "logs"),
}


@pytest.mark.parametrize(("status", "code", "words", "cure"), STATUSES.values(), ids=STATUSES)
def test_one_cause_with_the_clusters_words_and_a_cure(status: dict[str, Any], code: str, words: str, cure: str) -> None:
    (trouble,) = find(pod(status=status))
    assert trouble.code == code
    assert words in trouble.problem
    assert cure in trouble.cure
    assert f"[{code}]" in str(trouble)


@pytest.mark.parametrize(
    ("image", "words", "cure"),
    [
        (f"registry.test/milvus@sha256:401{'a' * 61}", "dial tcp: i/o timeout", "registry.mirrors"),
        (
            f"registry.test/milvus@sha256:401{'a' * 61}",
            'Head "https://registry.test/v2/milvus/manifests/sha256:401": EOF',
            "registry.mirrors",
        ),
        ("registry.test/models-401:403", 'failed to resolve reference "registry.test/models-401:403": EOF', "registry.mirrors"),
        ("registry.test/tls:5", "reading manifest 5 in registry.test/tls: received unexpected HTTP status: 502", "registry.mirrors"),
        ("not-found-404:1", 'Failed to pull image "not-found-404:1": EOF', "registry.mirrors"),
        ("registry-401.test/x:1", "dial tcp: lookup registry-401.test: no such host", "registry.mirrors"),
        ("registry.test/unauthorized:1", "manifest unknown", "./rag pin t"),
        ("Registry.test/X:1", "couldn't parse image name: invalid reference format", "./rag pin t"),
        ("registry.test/404:1", "unexpected status from HEAD request to https://registry.test/v2/404/manifests/1: 403", "pull_secrets"),
    ],
)
def test_the_cure_of_a_failed_pull_follows_the_registrys_words_not_the_name_of_the_image(image: str, words: str, cure: str) -> None:
    status = waiting("ErrImagePull", words)
    status["containerStatuses"][0]["image"] = image
    (trouble,) = find(pod(status=status))
    assert image in trouble.problem
    assert cure in trouble.cure


WELL: dict[str, dict[str, Any]] = {
    "ready": container(running={"startedAt": LONG_AGO}, ready=True),
    "starting": container(running={"startedAt": SEEN}),
    "being made": waiting("ContainerCreating"),
    "ready again for long": container(running={"startedAt": LONG_AGO}, ready=True, last=ended(1, finished=LONG_AGO)),
    "ended well": {"phase": "Succeeded", **container(terminated=ended(0, "Completed"))},
}


@pytest.mark.parametrize("status", WELL.values(), ids=WELL)
def test_a_pod_that_starts_or_runs_is_no_trouble(status: dict[str, Any]) -> None:
    assert find(pod(status=status)) == []


CAPTURED = {
    "pod.cannot-execute": "pod.cannot_execute",
    "pod.config": "pod.config",
    "pod.crashes": "pod.crashes",
    "pod.image": "pod.image",
    "pod.out-of-memory": "pod.out_of_memory",
    "pod.refused": "pod.refused",
    "pod.unschedulable": "pod.unschedulable",
    "pod.unschedulable-by-claim": "pod.unschedulable",
    "pod.volume": "pod.crashes",
}
"""What was wrong with each Deployment of the file, captured from a Kubernetes 1.34; the last one ended well again and again."""


def test_what_a_real_api_server_says_of_two_pods_each_is_one_cause_each() -> None:
    seen = json.loads((Path(__file__).parent / "pods-that-cannot-start.json").read_text())
    now = datetime.fromisoformat(seen.pop("now"))
    found = find_troubles(Snapshot(environment="t", namespace="cannot-start", now=now, **seen))
    workloads = {re.split(r"[ ,]", trouble.where)[1]: trouble.code for trouble in found}
    assert sorted((re.sub(r"(-[a-z0-9]{5,10}){1,2}$", "", name), code) for name, code in workloads.items()) == sorted(CAPTURED.items())


def test_two_pods_of_one_workload_have_one_cause_and_another_image_is_another() -> None:
    status = waiting("ErrImagePull", "not found")
    other = waiting("ErrImagePull", "not found")
    other["containerStatuses"][0]["image"] = "registry.test/milvus:2"
    assert len(find(pod("a", status=status), pod("b", status=status))) == 1
    assert len(find(pod("a", status=status), pod("b", status=other))) == 2


def test_the_registrys_words_are_taken_from_the_event_where_the_pod_has_only_the_back_off() -> None:
    status = waiting("ImagePullBackOff", "Back-off pulling image")
    pulls = [event("a", "Failed", "Failed to pull image: 403 Forbidden"), event("a", "BackOff", "Back-off pulling image")]
    (trouble,) = find(pod("a", status=status), events=pulls)
    assert "403 Forbidden" in trouble.problem
    assert "registry.pull_secrets" in trouble.cure


def test_a_volume_that_cannot_be_mounted_is_named_by_its_event_as_long_as_nothing_runs() -> None:
    mount = [event("a", "FailedMount", 'MountVolume.SetUp failed for volume "c": configmap "ca" not found')]
    (trouble,) = find(pod("a", status=waiting("ContainerCreating")), events=mount)
    assert (trouble.code, "create configmap ca " in trouble.cure) == ("pod.volume", True)
    assert find(pod("a", status=container(running={"startedAt": SEEN}, ready=True)), events=mount) == []


def test_a_claim_that_nobody_provides_for_is_named_with_its_own_reason() -> None:
    volumes = [{"persistentVolumeClaim": {"claimName": "data"}}]
    told = [event("data", "ProvisioningFailed", 'storageclass "fast" not found', kind="PersistentVolumeClaim")]
    (trouble,) = find(pod("a", status=unschedulable("unbound immediate PersistentVolumeClaims"), volumes=volumes), events=told)
    assert 'claim data: storageclass "fast" not found' in trouble.problem


def controller(kind: str = "ReplicaSet", **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "milvus", "uid": "uid of milvus"}, "spec": {"replicas": 2}, "status": status}


REFUSED = event("milvus", "FailedCreate", 'Error creating: pods "m" is forbidden: exceeded quota: q', kind="ReplicaSet")


def test_a_controller_that_is_refused_its_pods_is_named_and_one_that_has_them_is_not() -> None:
    (trouble,) = find(events=[REFUSED], controllers=[controller(replicas=1)])
    assert (trouble.code, trouble.problem, "quota" in trouble.cure) == ("pod.refused", "forbidden: exceeded quota: q", True)
    assert find(events=[REFUSED], controllers=[controller(replicas=2)]) == []
    later = event("milvus", "SuccessfulCreate", "Created pod", at="2026-03-01T11:59:59Z", kind="ReplicaSet")
    assert find(events=[later, REFUSED], controllers=[controller(replicas=1)]) == []


def test_a_missing_service_account_is_made_by_the_next_up() -> None:
    words = 'Error creating: pods "m" is forbidden: error looking up service account rag/milvus: serviceaccount "milvus" not found'
    (trouble,) = find(events=[event("milvus", "FailedCreate", words, kind="ReplicaSet")], controllers=[controller(replicas=1)])
    assert (trouble.code, trouble.cure) == ("pod.refused", "./rag deploy t")


def test_a_pod_of_a_job_that_failed_is_named_until_another_one_did_the_work() -> None:
    failed = pod("job-a", status=container(terminated=ended(3, message="RESULT: INVALID")), owner="Job milvus", restartPolicy="Never")
    (trouble,) = find(failed, controllers=[controller("Job", failed=1)])
    assert (trouble.code, "RESULT: INVALID" in trouble.problem) == ("pod.failed", True)
    assert find(failed, controllers=[controller("Job", failed=1, succeeded=1)]) == []


def _with_sidecar(code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Job that declares one container, and its pod, in which that one ended and an injected one runs."""
    job = {
        "kind": "Job",
        "metadata": {"name": "check", "uid": "uid of check"},
        "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
    }
    statuses = [
        {"name": "main", "state": {"terminated": ended(code)}},
        {"name": "proxy", "ready": True, "state": {"running": {"startedAt": SEEN}}},
    ]
    return job, pod("check-x", owner="Job check", status={"phase": "Running", "containerStatuses": statuses})


def test_a_job_that_an_injected_container_holds_open_is_named_with_that_container() -> None:
    job, held = _with_sidecar(0)
    (trouble,) = find(held, controllers=[job])
    assert trouble.code == "pod.held_open"
    assert "proxy" in trouble.problem
    assert "job check" in trouble.cure


def test_a_job_whose_own_container_failed_is_named_as_failed_whatever_was_injected() -> None:
    job, failed = _with_sidecar(1)
    failed["spec"]["restartPolicy"] = "Never"
    assert [trouble.code for trouble in find(failed, controllers=[job])] == ["pod.failed"]


def test_a_container_that_ended_without_a_word_is_asked_for_its_log() -> None:
    (silent,) = find(pod("a", status=waiting("CrashLoopBackOff", BACK_OFF, ended(1))))
    (loud,) = find(pod("a", status=waiting("CrashLoopBackOff", BACK_OFF, ended(1, message="no bucket"))))
    assert (silent.log, loud.log) == (("a", "milvus"), None)


def test_a_pod_that_is_being_deleted_is_left_out() -> None:
    going = pod("a", status=waiting("ErrImagePull", "not found"))
    going["metadata"]["deletionTimestamp"] = SEEN
    assert find(going) == []


def test_every_setting_that_a_cure_names_is_there() -> None:
    cures = [cure for row in pods._TABLE.values() for _, cure in row["cures"]]
    named = {found for cure in cures for found in re.findall(r"\{set\}([a-z_.]+)", cure)}
    assert named
    assert [path for path in named if field_at(Settings, path.split(".")) is None] == []


def test_every_command_that_a_cure_names_is_there() -> None:
    cures = " ".join(cure for row in pods._TABLE.values() for _, cure in row["cures"])
    assert "gpus" in set(re.findall(r"\./rag ([a-z-]+)", cures)) <= set(COMMANDS)
