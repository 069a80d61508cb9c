"""What the rules look at: one object as plain data, wherever it came from. Imports nothing but Python, so that the pack can use it too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRIALS = frozenset({"lab", "dev", "e2e"})
"""Stacks that may name an image by its tag."""

THROWAWAYS = frozenset({"lab", "e2e"})
"""Stacks whose data may go with them."""

_REPLICATED = {"Deployment", "StatefulSet"}
_WITH_PODS = {*_REPLICATED, "DaemonSet", "ReplicaSet", "Job"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One object of the cluster, or of another provider."""

    kind: str
    """Kind of Kubernetes, or the last word of Pulumi's token: `Bucket`, `Release`."""
    name: str
    content: Mapping[str, Any]
    """Manifest, or the inputs of the provider."""
    protect: bool
    """Neither `destroy` nor a replacement may delete it."""

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is asked of the stack as a whole."""

    production: bool
    """Real data and real users: images are pinned by digest."""
    throwaway: bool
    """Its data may go with it."""
    allowed_hosts: tuple[str, ...] | None = None
    """Where data may go, and no further: hosts, names below `*.`, ranges of addresses; None for anywhere."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One object that breaks one rule."""

    subject: Subject
    text: str
    """What was seen, what it would break, and the setting that cures it."""


def get(value: object, *path: str) -> Any:  # noqa: ANN401  plain data of any shape
    """Value at a path of keys; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def pod_template(subject: Subject) -> Mapping[str, Any] | None:
    """Template of the pods that the object makes; None for one that makes none."""
    if subject.kind == "Pod":
        return subject.content
    if subject.kind == "CronJob":
        found = get(subject.content, "spec", "jobTemplate", "spec", "template")
    elif subject.kind == "PodTemplate":
        found = subject.content.get("template")
    elif subject.kind in _WITH_PODS:
        found = get(subject.content, "spec", "template")
    else:
        return None
    return found if isinstance(found, Mapping) else None


def pod_spec(subject: Subject) -> Mapping[str, Any] | None:
    """Spec of the pods that the object makes; None for one that makes none."""
    found = get(pod_template(subject), "spec")
    return found if isinstance(found, Mapping) else None


def containers(subject: Subject) -> Iterator[Mapping[str, Any]]:
    """All containers of its pods, those that run first included."""
    spec = pod_spec(subject) or {}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def replicated(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, int]]:
    """Every object that keeps several pods alive, with the number it never goes below; an autoscaler decides for its target."""
    scaled = {
        (get(each.content, "spec", "scaleTargetRef", "kind"), get(each.content, "spec", "scaleTargetRef", "name")): each
        for each in subjects
        if each.kind == "HorizontalPodAutoscaler"
    }
    for each in subjects:
        if each.kind in _REPLICATED:
            scaler = scaled.get((each.kind, each.name))
            asked = get(scaler.content, "spec", "minReplicas") if scaler is not None else get(each.content, "spec", "replicas")
            yield each, int(asked) if isinstance(asked, int | float) else 1


def context_of(stack: str) -> Context:
    """Context of a stack by its name, the one thing that a policy pack knows of it: what nobody calls a trial is production."""
    return Context(production=stack not in TRIALS, throwaway=stack in THROWAWAYS)
