"""Promises of the diagnosis: the failing pod is named, with the reason that an operator would look for."""

import pytest

from lab.pulumi_host.kubernetes.pods import selector_of, troubles, warnings
from lab.pulumi_host.kubernetes.wire import Object


def _pod(container: Object | None = None, **status: object) -> Object:
    containers = {"containerStatuses": [{"name": "c", **container}]} if container else {}
    return {"kind": "Pod", "metadata": {"name": "web-1"}, "status": {**containers, **status}}


@pytest.mark.parametrize(
    ("pod", "text", "container"),
    [
        (_pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}), "ImagePullBackOff: no such image", ""),
        (
            _pod(
                {
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
                    "restartCount": 2,
                }
            ),
            "it last ended with code 3",
            "c",
        ),
        (_pod({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}), "code 137 (OOMKilled)", "c"),
        (_pod({"state": {"running": {}}, "ready": False}), "readiness probe", "c"),
        (
            _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}]),
            "cannot be scheduled: 0/1 nodes",
            "",
        ),
        (_pod(phase="Failed", reason="Evicted", message="disk"), "Evicted disk", ""),
    ],
)
def test_the_reason_is_named(pod: Object, text: str, container: str) -> None:
    (trouble,) = troubles([pod])
    assert str(trouble).startswith("pod web-1: ")
    assert text in trouble.text
    assert trouble.container == container


@pytest.mark.parametrize(
    "pod",
    [
        _pod({"state": {"waiting": {"reason": "ContainerCreating"}}}),
        _pod({"state": {"running": {}}, "ready": True}, conditions=[{"type": "Ready", "status": "True"}]),
        _pod(phase="Succeeded"),
        {"metadata": {"name": "old", "deletionTimestamp": "now"}, "status": {"phase": "Failed"}},
    ],
)
def test_a_pod_that_works_or_goes_is_left_in_peace(pod: Object) -> None:
    assert troubles([pod]) == []


def test_an_init_container_that_fails_comes_first() -> None:
    pod = _pod({"state": {"waiting": {"reason": "PodInitializing"}}})
    pod["status"]["initContainerStatuses"] = [{"name": "init", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]
    assert "container init" in troubles([pod])[0].text


def test_warnings_come_once_and_in_order() -> None:
    later = {"type": "Warning", "reason": "Failed", "message": "b\nb", "lastTimestamp": "2", "metadata": {}}
    earlier = {**later, "message": "a", "lastTimestamp": "1"}
    normal = {**later, "type": "Normal"}
    assert warnings([later, normal, earlier, later]) == ["Failed: a", "Failed: b b"]


def test_the_selector_is_what_kubectl_would_take() -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    assert selector_of({"kind": "Deployment", "spec": {"selector": selector}}) == "app=web,tier in (a,b),!old"


def test_a_service_has_no_pods_of_its_own() -> None:
    assert selector_of({"kind": "Service", "spec": {"selector": {"app": "web"}}}) is None
