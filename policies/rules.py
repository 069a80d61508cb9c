"""The rules, as pure functions over plain manifests: which object breaks it, and why that matters.

A rule judges what it can see. Pulumi shows the release of Milvus as one object with its values, so the pods that the chart makes of them
are judged in the rendered manifests (`make policies`), where the chart is at hand.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies import credentials, residency
from policies.subject import Context, Subject, Violation, containers, get, pod_spec, pod_template, replicated

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_KEEP = ("helm.sh/resource-policy", "keep")
_CONTENT = "milvus-x10000/content"  # label of a claim; `cache` can be had again

Judge = Callable[[Sequence[Subject], Context], Iterator[Violation]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule."""

    name: str
    description: str
    judge: Judge
    alone: bool = True
    """It judges each object by itself, so that Pulumi can refuse it before it is made."""


def image_by_digest(subjects: Sequence[Subject], context: Context) -> Iterator[Violation]:
    """Find images that production names by a tag, which can be moved to another program."""
    for subject in subjects if context.production else ():
        for container in containers(subject):
            image = str(container.get("image", ""))
            if not _DIGEST.search(image):
                yield Violation(
                    subject=subject,
                    text=f"image {image!r} has no digest: whoever can move the tag decides what runs; cure: make pin ENV=...",
                )


def requests_and_limits(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that the scheduler cannot place, or that can take all memory; a limit of cores only slows, so none is asked."""
    for subject in subjects:
        for container in containers(subject):
            resources = container.get("resources") or {}
            asked = [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
            missing = [f"{group}.{resource}" for group, resource in asked if get(resources, group, resource) is None]
            if missing:
                yield Violation(
                    subject=subject, text=f"container {container.get('name')!r} has no {', '.join(missing)}: it can starve its neighbours"
                )


def not_root(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that may run as root."""
    for subject in subjects:
        of_pod = get(pod_spec(subject), "securityContext") or {}
        for container in containers(subject):
            security = {**of_pod, **(container.get("securityContext") or {})}
            if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
                yield Violation(
                    subject=subject,
                    text=f"container {container.get('name')!r} may run as root: securityContext.runAsNonRoot must be true, runAsUser not 0",
                )


def no_privilege(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that can get at the node."""
    for subject in subjects:
        spec = pod_spec(subject) or {}
        seen = [name for name in _HOST_NAMESPACES if spec.get(name)]
        seen += [f"hostPath {get(volume, 'hostPath', 'path')}" for volume in spec.get("volumes") or () if volume.get("hostPath")]
        seen += [f"container {container.get('name')!r}: {what}" for container in containers(subject) for what in _privileges(container)]
        for what in seen:
            yield Violation(subject=subject, text=f"{what}: whoever breaks into the pod has the node as well")


def _privileges(container: Mapping[str, object]) -> Iterator[str]:
    security = container.get("securityContext") or {}
    if get(security, "privileged"):
        yield "privileged"
    if get(security, "allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    added = get(security, "capabilities", "add")
    if added:
        yield f"capabilities {added} added"


def no_plain_credential(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find keys and passwords where anybody can read them, and well-known ones anywhere."""
    for subject in subjects:
        for place in credentials.found_in(subject):
            yield Violation(
                subject=subject,
                text=f"{place}: readable by whoever may read the object; keep it in a Secret and refer to it (secretKeyRef)",
            )


def disruption_budget(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find what runs in several pods and may lose all of them to one node drain, or blocks every drain."""
    budgets = [each for each in subjects if each.kind == "PodDisruptionBudget"]
    for subject, replicas in replicated(subjects):
        matching = [budget for budget in budgets if _selects(budget, subject)]
        if replicas > 1 and not matching:
            yield Violation(subject=subject, text=f"{replicas} replicas and no PodDisruptionBudget: one node drain may end all of them")
    for budget in budgets:
        if get(budget.content, "spec", "maxUnavailable") in (0, "0", "0%") or get(budget.content, "spec", "minAvailable") == "100%":
            yield Violation(subject=budget, text="allows no disruption at all: no node with such a pod can ever be drained")


def _selects(budget: Subject, subject: Subject) -> bool:
    wanted = get(budget.content, "spec", "selector", "matchLabels")
    labels = get(pod_template(subject), "metadata", "labels") or {}
    return bool(wanted) and wanted.items() <= labels.items()


def data_is_kept(subjects: Sequence[Subject], context: Context) -> Iterator[Violation]:
    """Find data that `pulumi destroy`, `helm uninstall` or a renamed object would delete."""
    for subject in () if context.throwaway else subjects:
        why = _lost_with(subject)
        if why:
            yield Violation(subject=subject, text=why)


def _lost_with(subject: Subject) -> str:
    """Why the data would be lost, "" if it would not."""
    if subject.kind == "Bucket" and not subject.protect:
        return "is not protected: `pulumi destroy` or a changed name deletes it with every object; set object_store.on_destroy to retain"
    if subject.kind == "Namespace" and not subject.protect:
        return "is not protected: with it go all volumes, and with them the metadata without which the bucket cannot be read"
    if subject.kind == "PersistentVolumeClaim" and not _is_kept(subject):
        return f"has no annotation {_KEEP[0]}: {_KEEP[1]}: `helm uninstall` deletes it with its volume"
    retention = get(subject.content, "spec", "persistentVolumeClaimRetentionPolicy") or {}
    if subject.kind == "StatefulSet" and "Delete" in retention.values():
        return f"deletes its volumes: persistentVolumeClaimRetentionPolicy is {dict(retention)}"
    return ""


def _is_kept(claim: Subject) -> bool:
    """Whether Helm leaves it, or what is on it can be had again."""
    is_cache = get(claim.content, "metadata", "labels", _CONTENT) == "cache"
    return bool(is_cache or get(claim.content, "metadata", "annotations", _KEEP[0]) == _KEEP[1])


RULES = (
    Rule(name="image-by-digest", description="In production an image is named by its digest.", judge=image_by_digest),
    Rule(
        name="requests-and-limits",
        description="Every container requests cores and memory, and has a limit of memory.",
        judge=requests_and_limits,
    ),
    Rule(name="not-root", description="No container runs as root.", judge=not_root),
    Rule(name="no-privilege", description="No container can get at its node.", judge=no_privilege),
    Rule(
        name="no-plain-credential",
        description="No credential is readable outside a Secret, and none is a default one.",
        judge=no_plain_credential,
    ),
    Rule(
        name="disruption-budget", description="What runs in several pods has a PodDisruptionBudget.", judge=disruption_budget, alone=False
    ),
    Rule(name="data-is-kept", description="Buckets, volumes and their namespace are protected.", judge=data_is_kept),
    Rule(name="residency", description="Where residency is locked, no object names an address outside.", judge=residency.violations),
)
