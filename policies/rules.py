"""The rules, as pure functions over plain manifests: which object breaks it, and why that matters.

A rule judges what it can see. Pulumi shows the release of Milvus as one object with its values, so the pods that the chart makes of them
are judged in the rendered manifests (`./rag policies`), where the chart is at hand.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies import residency
from policies.subject import Context, Subject, Violation, containers, get, pod_spec, pod_template, replicated

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
_KEEP = ("helm.sh/resource-policy", "keep")
_CONTENT = "milvus-x10000/content"  # label of a claim; `cache` can be had again
_NAMES = re.compile(r"(?i)(password|passwd|passphrase|secret(access)?key|accesskey(id)?|apikey|authtoken|bearertoken|privatekey)$")
_LINE = re.compile(r"^[ \t-]*[\"']?(?P<name>[-\w.]+)[\"']?[ \t]*[:=][ \t]*(?P<value>[^#\n]*?)[ \t]*(#.*)?$", re.MULTILINE)
_PRIVATE_KEY = "PRIVATE KEY-----"
_EMPTY = {"", '""', "''", "null", "~", "{}", "[]", "|", ">"}
_PLACEHOLDER = re.compile(r"^<.*>$|^\$\{.*\}$|^\$\(.*\)$")
_WELL_KNOWN = frozenset({"minioadmin", "Milvus", "changeit", "changeme", "password"})
_NOT_OURS = {"Credential"}  # what makes a credential; its outputs are secret
Judge = Callable[[Sequence[Subject], Context], Iterator[Violation]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule."""

    name: str
    description: str
    judge: Judge
    alone: bool = True  # it judges each object by itself, so that Pulumi can refuse it before it is made


RULES: list[Rule] = []


def rule(name: str, description: str, *, alone: bool = True) -> Callable[[Judge], Judge]:
    """Register a rule."""

    def register(judge: Judge) -> Judge:
        RULES.append(Rule(name=name, description=description, judge=judge, alone=alone))
        return judge

    return register


@rule("image-by-digest", "In production an image is named by its digest.")
def image_by_digest(subjects: Sequence[Subject], context: Context) -> Iterator[Violation]:
    """Find images that production names by a tag, which can be moved to another program."""
    why = "has no digest: whoever can move the tag decides what runs; cure: ./rag pin ..."
    for subject in subjects if context.production else ():
        images = [str(container.get("image", "")) for container in containers(subject)]
        yield from (Violation(subject, f"image {image!r} {why}") for image in images if not _DIGEST.search(image))


@rule("requests-and-limits", "Every container requests cores and memory, and has a limit of memory.")
def requests_and_limits(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that the scheduler cannot place, or that can take all memory; a limit of cores only slows, so none is asked."""
    for subject in subjects:
        for container in containers(subject):
            missing = [f"{group}.{resource}" for group, resource in _NEEDED if get(container, "resources", group, resource) is None]
            if missing:
                yield Violation(subject, f"container {container.get('name')!r} has no {', '.join(missing)}: it can starve its neighbours")


@rule("not-root", "No container runs as root.")
def not_root(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that may run as root."""
    cure = "securityContext.runAsNonRoot must be true, runAsUser not 0"
    for subject in subjects:
        of_pod = get(pod_spec(subject), "securityContext") or {}
        for container in containers(subject):
            security = {**of_pod, **(container.get("securityContext") or {})}
            if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
                yield Violation(subject, f"container {container.get('name')!r} may run as root: {cure}")


@rule("no-privilege", "No container can get at its node.")
def no_privilege(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find containers that can get at the node."""
    for subject in subjects:
        spec = pod_spec(subject) or {}
        seen = [name for name in _HOST_NAMESPACES if spec.get(name)]
        seen += [f"hostPath {get(volume, 'hostPath', 'path')}" for volume in spec.get("volumes") or () if volume.get("hostPath")]
        for container in containers(subject):
            security = container.get("securityContext") or {}
            escalates, added = get(security, "allowPrivilegeEscalation") is not False, get(security, "capabilities", "add")
            reasons = {"privileged": get(security, "privileged"), "allowPrivilegeEscalation is not false": escalates}
            reasons[f"capabilities {added} added"] = added
            seen += [f"container {container.get('name')!r}: {reason}" for reason, holds in reasons.items() if holds]
        yield from (Violation(subject, f"{what}: whoever breaks into the pod has the node as well") for what in seen)


@rule("no-plain-credential", "No credential is readable outside a Secret, and none is a default one.")
def no_plain_credential(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find keys and passwords where anybody can read them, and well-known ones anywhere."""
    why = "readable by whoever may read the object; keep it in a Secret and refer to it (secretKeyRef)"
    yield from (Violation(subject, f"{place}: {why}") for subject in subjects for place in _plain_credentials(subject))


def _plain_credentials(subject: Subject) -> Iterator[str]:
    if subject.kind == "Secret":
        data = subject.content.get("stringData")
        known = [key for key, value in data.items() if value in _WELL_KNOWN] if isinstance(data, Mapping) else []
        yield from (f"key {key} holds a value that everybody knows" for key in known if _NAMES.search(_bare(str(key))))
    elif subject.kind not in _NOT_OURS:
        for container in containers(subject):
            yield from _in_container(container)
        if subject.kind in {"ConfigMap", "Release"}:
            yield from _walk(subject.content, "")


def _in_container(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if _is_credential(str(variable.get("name", "")), variable.get("value")):
            yield f"environment variable {variable['name']} of container {container.get('name')!r}"
    for argument in (*(container.get("command") or ()), *(container.get("args") or ())):
        if _PRIVATE_KEY in str(argument) or any(_is_credential(*pair) for pair in _lines(str(argument).lstrip("-"))):
            yield f"an argument of container {container.get('name')!r}"


def _walk(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401  plain data of any shape
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}".lstrip(".")
            if _is_credential(str(key), item):
                yield here
            yield from _walk(item, here)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, f"{path}[{number}]")
    elif isinstance(value, str) and "\n" in value:
        yield from (f"{path}: {name}" for name, content in _lines(value) if _is_credential(name, content))
        if _PRIVATE_KEY in value:
            yield f"{path}: a private key"


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for match in _LINE.finditer(text):
        yield match["name"], match["value"]


def _is_credential(name: str, value: object) -> bool:
    if not isinstance(value, str) or value.strip() in _EMPTY or _PLACEHOLDER.search(value.strip().strip("\"'")):
        return False
    return bool(_NAMES.search(_bare(name)))


def _bare(name: str) -> str:
    return re.sub(r"[-_.]", "", name.rpartition(".")[2])


@rule("disruption-budget", "What runs in several pods has a PodDisruptionBudget.", alone=False)
def disruption_budget(subjects: Sequence[Subject], _: Context) -> Iterator[Violation]:
    """Find what runs in several pods and may lose all of them to one node drain, or blocks every drain."""
    budgets = [each for each in subjects if each.kind == "PodDisruptionBudget"]
    selectors = [get(budget.content, "spec", "selector", "matchLabels") for budget in budgets]
    for subject, replicas in replicated(subjects):
        labels = get(pod_template(subject), "metadata", "labels") or {}
        if replicas > 1 and not any(selector and selector.items() <= labels.items() for selector in selectors):
            yield Violation(subject, f"{replicas} replicas and no PodDisruptionBudget: one node drain may end all of them")
    for budget in budgets:
        if get(budget.content, "spec", "maxUnavailable") in (0, "0", "0%") or get(budget.content, "spec", "minAvailable") == "100%":
            yield Violation(budget, "allows no disruption at all: no node with such a pod can ever be drained")


@rule("data-is-kept", "Buckets, volumes and their namespace are protected.")
def data_is_kept(subjects: Sequence[Subject], context: Context) -> Iterator[Violation]:
    """Find data that `pulumi destroy`, `helm uninstall` or a renamed object would delete."""
    for subject in () if context.throwaway else subjects:
        if why := _lost_with(subject):
            yield Violation(subject, why)


def _lost_with(subject: Subject) -> str:
    """Why the data would be lost, "" if it would not."""
    if subject.kind == "Bucket" and not subject.protect:
        return "is not protected: `pulumi destroy` or a changed name deletes it with every object; set object_store.on_destroy to retain"
    if subject.kind == "Namespace" and not subject.protect:
        return "is not protected: with it go all volumes, and with them the metadata without which the bucket cannot be read"
    is_cache = get(subject.content, "metadata", "labels", _CONTENT) == "cache"  # what is on it can be had again
    kept = is_cache or get(subject.content, "metadata", "annotations", _KEEP[0]) == _KEEP[1]
    if subject.kind == "PersistentVolumeClaim" and not kept:
        return f"has no annotation {_KEEP[0]}: {_KEEP[1]}: `helm uninstall` deletes it with its volume"
    retention = get(subject.content, "spec", "persistentVolumeClaimRetentionPolicy") or {}
    if subject.kind == "StatefulSet" and "Delete" in retention.values():
        return f"deletes its volumes: persistentVolumeClaimRetentionPolicy is {dict(retention)}"
    return ""


rule("residency", "Where residency is locked, no object names an address outside.")(residency.violations)
