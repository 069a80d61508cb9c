"""What the rules look at: one object as plain data, wherever it came from. Imports nothing but Python, so that the pack can use it too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRIALS = frozenset({"lab", "dev", "e2e"})  # stacks that may name an image by its tag
THROWAWAYS = frozenset({"lab", "e2e"})  # stacks whose data may go with them
_REPLICATED = {"Deployment", "StatefulSet"}
_TEMPLATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*_REPLICATED, "DaemonSet", "ReplicaSet", "Job"), ("spec", "template")),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "PodTemplate": ("template",),
    "Pod": (),
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One object of the cluster, or of another provider."""

    kind: str  # kind of Kubernetes, or the last word of Pulumi's token: `Bucket`, `Release`
    name: str
    content: Mapping[str, Any]  # manifest, or the inputs of the provider
    protect: bool  # neither `destroy` nor a replacement may delete it

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is asked of the stack as a whole."""

    production: bool  # real data and real users: images are pinned by digest
    throwaway: bool  # its data may go with it
    allowed_hosts: tuple[str, ...] | None = None
    """Where data may go, and no further: hosts, names below `*.`, ranges of addresses; None for anywhere."""


@dataclass(frozen=True)
class Violation:
    """One object that breaks one rule."""

    subject: Subject
    text: str  # what was seen, what it would break, and the setting that cures it


def get(value: object, *path: str) -> Any:  # noqa: ANN401  plain data of any shape
    """Value at a path of keys; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def pod_template(subject: Subject) -> Mapping[str, Any] | None:
    """Template of the pods that the object makes; None for one that makes none."""
    place = _TEMPLATES.get(subject.kind)
    template = get(subject.content, *place) if place is not None else None
    return template if isinstance(template, Mapping) else None


def pod_spec(subject: Subject) -> Mapping[str, Any] | None:
    """Spec of the pods that the object makes; None for one that makes none."""
    spec = get(pod_template(subject), "spec")
    return spec if isinstance(spec, Mapping) else None


def containers(subject: Subject) -> Iterator[Mapping[str, Any]]:
    """All containers of its pods, those that run first included."""
    spec = pod_spec(subject) or {}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or ()


def replicated(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, int]]:
    """Every object that keeps several pods alive, with the number it never goes below; an autoscaler decides for its target."""
    scalers = [get(each.content, "spec") or {} for each in subjects if each.kind == "HorizontalPodAutoscaler"]
    least = {(get(each, "scaleTargetRef", "kind"), get(each, "scaleTargetRef", "name")): each.get("minReplicas") for each in scalers}
    for each in subjects:
        if each.kind in _REPLICATED:
            key = (each.kind, each.name)
            replicas = least[key] if key in least else get(each.content, "spec", "replicas")
            yield each, int(replicas) if isinstance(replicas, int | float) else 1


def context_of(stack: str) -> Context:
    """Context of a stack by its name, the one thing that a policy pack knows of it: what nobody calls a trial is production."""
    return Context(production=stack not in TRIALS, throwaway=stack in THROWAWAYS)
