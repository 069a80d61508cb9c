"""How every running pod is guarded: what its containers really run as, asked inside them by testinfra (`kubectl exec`), and its spec."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import testinfra  # type: ignore[import-untyped]  # testinfra has no types

from stacks.problems import Line

_LOOK = Path(__file__).with_name("posture.sh").read_text(encoding="utf-8")
_NO_LIMIT = 2**60  # cgroup v1 writes no limit as a number about as large as the address space
Inside = Callable[[str, str, str], Mapping[str, str] | str]
"""Facts of a container by namespace, pod and name; a text where nothing could be run in it."""


def inside(namespace: str, pod: str, container: str) -> Mapping[str, str] | str:
    """Ask one container what it runs as; where it has no shell, or exec is refused, the words of kubectl."""
    ran = testinfra.get_host(f"kubectl://{pod}?namespace={namespace}&container={container}").run(_LOOK)
    if ran.rc:
        words = str(ran.stderr).strip().splitlines() or [f"exit {ran.rc}"]
        return "it has no shell" if "/bin/sh" in words[-1] else words[-1]
    return dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)


def judge(pods: Sequence[Mapping[str, Any]], ask: Inside) -> Iterator[Line]:
    """Yield a line for each running pod."""
    for pod in pods:
        name, spec = pod["metadata"]["name"], pod["spec"]
        if pod.get("status", {}).get("phase") != "Running":
            continue
        faults, untried = [], []
        for container in spec["containers"]:
            answer = ask(pod["metadata"]["namespace"], name, container["name"])
            facts = {} if isinstance(answer, str) else answer
            untried += [f"{container['name']}: {answer}"] if isinstance(answer, str) else []
            faults += [f"{container['name']} {fault}" for fault in _faults(container, spec, facts)]
        cure = "set it in the object that makes this pod; ours are judged by ./rag policies" if faults else ""
        seen = "; ".join(faults) or f"user, root, token, limits and probes{', by its spec' if untried else ''}"
        seen += "".join(f"; not tried inside {each}" for each in untried)
        yield Line("WARN" if faults else "OK", name, seen, cure, "docs/policies.md" if faults else "")


def _faults(container: Mapping[str, Any], spec: Mapping[str, Any], facts: Mapping[str, str]) -> Iterator[str]:
    given = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    user = facts.get("user", given.get("runAsUser"))
    if str(user) == "0" or (user is None and not given.get("runAsNonRoot")):
        yield "runs as root" if facts else "may run as root"
    if facts.get("root", "read-only" if given.get("readOnlyRootFilesystem") else "") != "read-only":
        yield "may write to its root"
    volumes = spec.get("volumes") or ()
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources", ())]
    if facts.get("token") == "yes" or any("serviceAccountToken" in source for source in sources):
        yield "has a token of the API"
    limit = facts.get("memory") or ("1" if (container.get("resources") or {}).get("limits", {}).get("memory") else "max")
    if limit == "max" or int(limit) > _NO_LIMIT:
        yield "has no limit of memory"
    if not container.get("readinessProbe") and spec.get("restartPolicy", "Always") == "Always":
        yield "has no readiness probe"
