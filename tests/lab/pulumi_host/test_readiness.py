"""Promises of the judges: ready means that it works, and waiting says what is missing."""

import pytest

from lab.pulumi_host.kubernetes.readiness import Related, judge
from lab.pulumi_host.kubernetes.wire import Object


def _live(kind: str, spec: Object | None = None, status: Object | None = None) -> Object:
    return {"kind": kind, "metadata": {"name": "x", "namespace": "n", "generation": 2}, "spec": spec or {}, "status": status or {}}


SEEN = {"observedGeneration": 2}
ROLLED_OUT = {**SEEN, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def _condition(kind: str, status: str = "True", **more: str) -> Object:
    return {"conditions": [{"type": kind, "status": status, **more}]}


@pytest.mark.parametrize(
    "live",
    [
        _live("ConfigMap"),
        _live("Deployment", {"replicas": 2}, ROLLED_OUT),
        _live("Deployment", {"replicas": 2, "paused": True}, SEEN),
        _live("Deployment", {"replicas": 0}, SEEN),
        _live("StatefulSet", {"replicas": 1}, {**SEEN, "readyReplicas": 1, "updateRevision": "r", "currentRevision": "r"}),
        _live(
            "StatefulSet",
            {"replicas": 1, "updateStrategy": {"type": "OnDelete"}},
            {**SEEN, "readyReplicas": 1, "updateRevision": "s", "currentRevision": "r"},
        ),
        _live("DaemonSet", {}, {**SEEN, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}),
        _live("Job", {}, _condition("Complete")),
        _live("Job", {"suspend": True}),
        _live("Pod", {}, _condition("Ready")),
        _live("Pod", {}, {"phase": "Succeeded"}),
        _live("PersistentVolumeClaim", {}, {"phase": "Bound"}),
        _live("Service", {"clusterIP": "None", "selector": {"a": "b"}}),
        _live("Service", {"type": "ExternalName"}),
        _live("Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
        _live("CustomResourceDefinition", {}, _condition("Established")),
    ],
)
def test_it_is_ready(live: Object) -> None:
    assert judge(live).ready


@pytest.mark.parametrize(
    ("live", "missing"),
    [
        (_live("Deployment", {"replicas": 2}, {**ROLLED_OUT, "observedGeneration": 1}), "has not seen"),
        (_live("Deployment", {"replicas": 2}, {**ROLLED_OUT, "availableReplicas": 1}), "1 of 2 pods"),
        (_live("Deployment", {}, SEEN), "0 of 1 pods"),
        (_live("Deployment", {"replicas": 2}, {**ROLLED_OUT, "replicas": 3}), "1 pods of the previous revision"),
        (_live("Deployment", {}, {**SEEN, **_condition("ReplicaFailure", message="exceeded quota")}), "exceeded quota"),
        (_live("StatefulSet", {"replicas": 3}, {**SEEN, "readyReplicas": 2}), "2 of 3 pods are ready"),
        (
            _live(
                "StatefulSet",
                {"replicas": 2},
                {**SEEN, "readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "s", "currentRevision": "r"},
            ),
            "1 of 2 pods have the new revision",
        ),
        (_live("DaemonSet", {}, {**SEEN, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}), "1 of 2 nodes"),
        (_live("Job", {"completions": 3}, {"succeeded": 1, "failed": 2}), "1 of 3 completions, 2 pods failed"),
        (_live("Pod", {}, {"phase": "Pending"}), "Pending"),
        (_live("PersistentVolumeClaim", {"storageClassName": "slow"}, {"phase": "Pending"}), "slow"),
        (_live("PersistentVolumeClaim", {}, {"phase": "Pending"}), "no default"),
        (_live("CustomResourceDefinition"), "new kind"),
    ],
)
def test_it_waits_and_says_for_what(live: Object, missing: str) -> None:
    verdict = judge(live)
    assert (verdict.ready, verdict.final) == (False, False)
    assert missing in verdict.why


@pytest.mark.parametrize(
    "live",
    [
        _live("Job", {}, _condition("Failed", reason="BackoffLimitExceeded", message="too often")),
        _live("Deployment", {}, {**SEEN, **_condition("Progressing", "False", reason="ProgressDeadlineExceeded")}),
        _live("Pod", {}, {"phase": "Failed"}),
    ],
)
def test_what_cannot_get_better_is_not_waited_for(live: Object) -> None:
    assert judge(live).final


def test_a_partition_keeps_pods_back_on_purpose() -> None:
    spec = {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}
    status = {**SEEN, "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "s", "currentRevision": "r"}
    assert judge(_live("StatefulSet", spec, status)).ready


def test_a_claim_that_waits_for_its_first_pod_blocks_nobody() -> None:
    assert judge(_live("PersistentVolumeClaim", {}, {"phase": "Pending"}), Related(binding_mode="WaitForFirstConsumer")).ready


def test_a_service_is_ready_when_a_pod_answers() -> None:
    service = _live("Service", {"clusterIP": "10.0.0.1", "selector": {"app": "web"}})
    assert "-l app=web" in judge(service, Related(ready_endpoints=0)).why
    assert judge(service, Related(ready_endpoints=1)).ready
