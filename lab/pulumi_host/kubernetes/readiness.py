"""Whether an object works, judged from what the API server says of it: pure functions over plain objects.

One judge per kind; a kind without a judge is ready as soon as it exists. A Service of type LoadBalancer is not waited for: it needs
a controller that a bare cluster does not have. All counts are pods unless their name says otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .wire import Object


@dataclass(frozen=True)
class Related:
    """What a judge must know besides the object itself; None is not known."""

    binding_mode: str | None = None
    """volumeBindingMode of the StorageClass that a PersistentVolumeClaim uses."""
    ready_endpoints: int | None = None
    """Addresses that a Service would send traffic to."""


@dataclass(frozen=True)
class Verdict:
    """Ready or not, why not in one line, and whether waiting longer is of no use."""

    ready: bool
    why: str = ""
    final: bool = False


READY = Verdict(ready=True)


def judge(live: Object, related: Related | None = None) -> Verdict:
    """Whether a live object works."""
    judged = JUDGES.get(live.get("kind", ""))
    return judged(live, related or Related()) if judged else READY


def _waiting(why: str) -> Verdict:
    return Verdict(ready=False, why=why)


def _seen(live: Object) -> bool:
    """Whether the controller has looked at the latest specification, so that the status speaks of it."""
    generation: int = live["metadata"].get("generation", 0)
    observed: int = live.get("status", {}).get("observedGeneration", 0)
    return observed >= generation


def _condition(live: Object, kind: str) -> Object:
    conditions: list[Object] = live.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def _is_true(live: Object, kind: str) -> bool:
    return _condition(live, kind).get("status") == "True"


def _deployment(live: Object, _related: Related) -> Verdict:
    spec, status = live.get("spec", {}), live.get("status", {})
    if spec.get("paused"):
        return READY
    if not _seen(live):
        return _waiting("the controller has not seen the Deployment yet")
    wanted, updated, available = spec.get("replicas", 1), status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if _condition(live, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return Verdict(ready=False, why=f"{available} of {wanted} pods are available and the progress deadline has passed", final=True)
    if updated < wanted or available < wanted:
        failure = _condition(live, "ReplicaFailure").get("message", "")
        return _waiting(f"{min(updated, available)} of {wanted} pods are available{': ' + failure if failure else ''}")
    surplus = status.get("replicas", 0) - updated
    return _waiting(f"{surplus} pods of the previous revision still run") if surplus > 0 else READY


def _stateful_set(live: Object, _related: Related) -> Verdict:
    spec, status = live.get("spec", {}), live.get("status", {})
    if not _seen(live):
        return _waiting("the controller has not seen the StatefulSet yet")
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} pods are ready")
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") == "OnDelete":
        return READY
    to_update = max(0, wanted - (strategy.get("rollingUpdate") or {}).get("partition", 0))
    same_revision = status.get("updateRevision") == status.get("currentRevision")
    updated = wanted if same_revision else status.get("updatedReplicas", 0)
    return _waiting(f"{updated} of {to_update} pods have the new revision") if updated < to_update else READY


def _daemon_set(live: Object, _related: Related) -> Verdict:
    status = live.get("status", {})
    if not _seen(live):
        return _waiting("the controller has not seen the DaemonSet yet")
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    on_delete = live.get("spec", {}).get("updateStrategy", {}).get("type") == "OnDelete"
    updated = wanted if on_delete else status.get("updatedNumberScheduled", 0)
    return _waiting(f"{min(updated, available)} of {wanted} nodes have an available pod") if min(updated, available) < wanted else READY


def _job(live: Object, _related: Related) -> Verdict:
    if live.get("spec", {}).get("suspend") or _is_true(live, "Complete"):
        return READY
    if _is_true(live, "Failed"):
        failed = _condition(live, "Failed")
        return Verdict(ready=False, why=f"the Job failed: {failed.get('reason', '')}: {failed.get('message', '')}", final=True)
    status = live.get("status", {})
    wanted = live.get("spec", {}).get("completions", 1)
    return _waiting(f"{status.get('succeeded', 0)} of {wanted} completions, {status.get('failed', 0)} pods failed")


def _pod(live: Object, _related: Related) -> Verdict:
    phase = live.get("status", {}).get("phase", "Pending")
    if phase == "Succeeded" or _is_true(live, "Ready"):
        return READY
    return Verdict(ready=False, why=f"the Pod is {phase} and not ready", final=phase == "Failed")


def _claim(live: Object, related: Related) -> Verdict:
    phase = live.get("status", {}).get("phase", "Pending")
    if phase == "Bound" or related.binding_mode == "WaitForFirstConsumer":
        return READY  # such a volume is made when a pod asks for it, which may be declared to come after this claim
    class_name = live.get("spec", {}).get("storageClassName")
    return _waiting(
        f"the claim is {phase}; its StorageClass is {class_name or 'missing and there is no default: kubectl get storageclass'}"
    )


def _service(live: Object, related: Related) -> Verdict:
    spec = live.get("spec", {})
    exempt = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector")
    if exempt or related.ready_endpoints is None or related.ready_endpoints > 0:
        return READY
    selector = ",".join(f"{key}={value}" for key, value in spec["selector"].items())
    return _waiting(f"the Service selects no ready pod: kubectl get pods -n {live['metadata'].get('namespace')} -l {selector}")


def _definition(live: Object, _related: Related) -> Verdict:
    return READY if _is_true(live, "Established") else _waiting("the API server does not serve the new kind yet")


JUDGES: Mapping[str, Callable[[Object, Related], Verdict]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Service": _service,
    "CustomResourceDefinition": _definition,
}
"""By kind alone: no other group has these kinds with another meaning in what the stacks declare."""
