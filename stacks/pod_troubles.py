"""Why pods cannot start, read from plain objects of the API: each cause once, with what it breaks and what to type. Pure.

A container waits, ended, or runs without becoming ready; a pod finds no node, or waits for a volume; a controller is refused its pods.
A cure names the setting or the command by which the words of the cluster that stand beside it go away.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Object = Mapping[str, Any]

READY_WITHIN = timedelta(seconds=180)
"""A container that runs for longer and is not ready is told; Milvus takes about a minute."""
_RECENT = timedelta(seconds=60)
_SET = "pulumi config set --stack {environment} --path milvus-x10000:"
_TOLERATE = f'{_SET}pods.tolerations \'[{{{{"key": "KEY"}}}}]\' with the key of the taint: kubectl describe nodes'
"""Comes last for control-plane nodes, where other nodes have what is missing, and never for what Kubernetes itself says of a sick node."""
_NAMES_IN_A_PULL = re.compile(r'^image \S+|"[^"\s]*"|\S*[/@]\S*|\b(for|lookup) \S+')
"""References, URLs and hosts in the words of a failed pull: a digest with 401 in it is no refusal."""
_CANNOT_EXECUTE = {126, 127}
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}
_START = {"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError"}
_SHORT_OF_PODS = {"FailedCreate", "SuccessfulCreate"}
_VOLUME = {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}
_CLAIM = {"FailedBinding", "ProvisioningFailed"}
_LONGEST = 500

_CURES: dict[str, list[tuple[str, str]]] = {
    "pod.image": [
        (
            r"unauthorized|denied|authori[sz]ation|no basic auth|\b40[13]\b",
            f"kubectl -n {{namespace}} create secret docker-registry NAME ..., then {_SET}registry.pull_secrets '[\"NAME\"]'",
        ),
        (
            r"not found|manifest unknown|NotFound|\b404\b|InvalidImageName|invalid reference",
            "correct the image in the settings, then make pin ENV={environment}",
        ),
        (r"x509|certificate|\btls:", "let the nodes' container runtime trust the registry's CA; `kubectl get nodes` names them"),
        (r"", f"let the nodes reach the registry, or name a mirror of it: {_SET}registry.mirrors ..."),
    ],
    "pod.cannot_execute": [(r"", f"let it run as the user that owns the image's files; of Milvus: {_SET}milvus.user_id NUMBER")],
    "pod.out_of_memory": [
        (r"", "raise memory_gib of that component in stacks/Pulumi.{environment}.yaml; python -m stacks needs {environment}")
    ],
    "pod.crashes": [(r"", "kubectl -n {namespace} logs {pod} -c {container} --previous")],
    "pod.failed": [(r"", "kubectl -n {namespace} logs {pod} -c {container}")],
    "pod.not_ready": [(r"", "kubectl -n {namespace} logs {pod} -c {container} --tail 50")],
    "pod.held_open": [
        (
            r"",
            "let the injector leave out pods labelled sidecar.istio.io/inject=false, as Jobs are; kubectl -n {namespace} delete {owner}",
        ),
    ],
    "pod.evicted": [(r"", "kubectl describe nodes shows what ran out there")],
    "pod.config": [
        (r'secret "(?P<name>[^"]+)" not found', "kubectl -n {namespace} create secret generic {name} --from-file=KEY=FILE"),
        (r'configmap "(?P<name>[^"]+)" not found', "kubectl -n {namespace} create configmap {name} --from-file=KEY=FILE"),
        (r"find key (?P<name>\S+) in (?P<kind>\w+)", "kubectl -n {namespace} edit {kind}, and add the key {name}"),
        (r"runAsNonRoot|non-numeric user", "take an image that does not run as root, or one whose user is a number"),
        (r"", "kubectl -n {namespace} describe pod {pod}"),
    ],
    "pod.unschedulable": [
        (r"untolerated taint \{(?!node(-role)?\.kubernetes\.io/)", _TOLERATE),
        (
            r"unbound|persistentvolumeclaim|storageclass",
            "kubectl get storageclass; then name one as storage_class in stacks/Pulumi.{environment}.yaml",
        ),
        (r"nvidia|amd.com/gpu|habana", "make gpus ENV={environment}"),
        (r"Insufficient", "add nodes, or ask for less in stacks/Pulumi.{environment}.yaml: python -m stacks needs {environment}"),
        (r"affinity/selector|node selector", f"{_SET}pods.node_selector ... with labels that nodes have: kubectl get nodes --show-labels"),
        (r"anti-affinity", "add nodes: no two of these pods may share one"),
        (r"untolerated taint(?! \{node\.kubernetes\.io/)", _TOLERATE),
        (r"", "kubectl describe nodes"),
    ],
    "pod.volume": [
        (r'secret "(?P<name>[^"]+)" not found', "kubectl -n {namespace} create secret generic {name} --from-file=KEY=FILE"),
        (r'configmap "(?P<name>[^"]+)" not found', "kubectl -n {namespace} create configmap {name} --from-file=KEY=FILE"),
        (r"", "kubectl -n {namespace} describe pod {pod}"),
    ],
    "pod.refused": [
        (r"exceeded quota|maximum .* usage", f"{_SET}quota ... to what `python -m stacks needs {{environment}}` says, or ask for less"),
        (r"runAsUser|must be in the ranges|uid range", f"{_SET}pod_security.assign_ids false, where the platform assigns ids itself"),
        (r"serviceaccount .* not found", "python -m stacks up {environment}"),
        (r"", "kubectl -n {namespace} describe {owner}; the cluster's administrator can say what the policy asks for"),
    ],
}
_BREAKS = {
    "pod.image": "the container does not start",
    "pod.cannot_execute": "the container ends before its first line",
    "pod.out_of_memory": "the kernel ends the container each time it needs more",
    "pod.crashes": "the container starts, ends and is started again",
    "pod.failed": "what waits for this pod does not go on",
    "pod.not_ready": "no Service sends it requests, and `pulumi up` waits for it",
    "pod.held_open": "its Job never completes, and `pulumi up` waits for it until its deadline",
    "pod.evicted": "the pod is gone from its node",
    "pod.config": "the container is not created",
    "pod.unschedulable": "no node takes the pod",
    "pod.volume": "the container waits for its volumes",
    "pod.refused": "the pod is not even created",
}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One namespace at one moment, as the API spells it."""

    environment: str
    namespace: str
    now: datetime
    pods: Sequence[Object]
    controllers: Sequence[Object] = ()
    """ReplicaSets, StatefulSets and Jobs."""
    events: Sequence[Object] = ()

    def events_of(self, uid: str, reasons: set[str]) -> list[Object]:
        """Events of one object, the newest last."""
        found = [event for event in self.events if event["involvedObject"].get("uid") == uid and event.get("reason") in reasons]
        return sorted(found, key=_event_time)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One cause for which something does not start."""

    code: str
    where: str
    """The object, such as `pod milvus-0, container milvus`."""
    problem: str
    """What is wrong, with the cluster's own words."""
    cure: str
    identity: tuple[str, ...] = field(default=())
    """The same for every pod of one workload that has the same cause."""
    since: str = ""
    """When it happened, by the cluster's own clock, as far as it says so."""
    log: tuple[str, str] | None = None
    """Pod and container whose last lines say more."""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem} [{self.code}]\n    breaks: {_BREAKS[self.code]}\n    type:   {self.cure}"


def find_troubles(seen: Snapshot) -> list[Trouble]:
    """Everything that keeps a pod from starting, each cause once."""
    found = [*_controllers(seen)]
    for pod in seen.pods:
        if not pod["metadata"].get("deletionTimestamp") and not _done(pod, seen):
            found += _of_pod(pod, seen)
    return list({trouble.identity: trouble for trouble in reversed(found)}.values())[::-1]


def _done(pod: Object, seen: Snapshot) -> bool:
    """Whether its Job came to a good end by another pod."""
    owner = _owner_uid(pod)
    return any(job["metadata"]["uid"] == owner and job.get("status", {}).get("succeeded") for job in seen.controllers)


def _of_pod(pod: Object, seen: Snapshot) -> list[Trouble]:
    status = pod.get("status", {})
    if status.get("reason") and status.get("phase") == "Failed":
        return [_trouble("pod.evicted", pod, seen, f"{status['reason']}: {status.get('message', '')}")]
    waits = _condition(pod, "PodScheduled")
    if waits.get("status") == "False":
        words = f"{waits.get('message', '')} {_claims(pod, seen)}".strip()
        return [_trouble("pod.unschedulable", pod, seen, words, since=waits.get("lastTransitionTime", ""))]
    if held := _held_open(pod, seen):
        return [held]
    each = [trouble for name, container in _containers(pod) if (trouble := _of_container(pod, name, container, seen))]
    return each or _volumes(pod, seen)


def _held_open(pod: Object, seen: Snapshot) -> Trouble | None:
    """A Job's pod whose own containers ended well while another one, that somebody injected, runs on."""
    job = next((each for each in seen.controllers if each["kind"] == "Job" and each["metadata"]["uid"] == _owner_uid(pod)), None)
    if job is None:
        return None
    own = {container["name"] for container in job.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())}
    states = {each["name"]: each.get("state", {}) for each in pod.get("status", {}).get("containerStatuses", ())}
    ended = [states.get(name, {}).get("terminated") for name in sorted(own)]
    injected = sorted(name for name, state in states.items() if name not in own and "running" in state)
    if not own or not injected or not all(end is not None and end["exitCode"] == 0 for end in ended):
        return None
    words = f"{' and '.join(sorted(own))} ended well; {' and '.join(injected)}, which the Job does not declare, was injected and runs on"
    since = max(str(end["finishedAt"]) for end in ended if end is not None)
    names = {**_names(seen), "owner": f"job {job['metadata']['name']}"}
    return Trouble(
        code="pod.held_open",
        where=f"pod {pod['metadata']['name']}",
        problem=words,
        cure=_cure("pod.held_open", words, names),
        identity=("pod.held_open", str(job["metadata"]["name"]), *injected),
        since=since,
    )


def _containers(pod: Object) -> Iterator[tuple[str, Object]]:
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        yield container["name"], container


def _of_container(pod: Object, name: str, container: Object, seen: Snapshot) -> Trouble | None:
    state = container.get("state", {})
    waiting = state.get("waiting", {})
    if waiting.get("reason") in _IMAGE:
        return _image(pod, name, container, seen)
    if waiting.get("reason") == "CreateContainerConfigError":
        return _trouble("pod.config", pod, seen, waiting.get("message", ""), container=name)
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or _never_started(waiting)
    is_wrong = ended and (ended.get("exitCode") != 0 or waiting.get("reason") == "CrashLoopBackOff")
    if is_wrong and (not container.get("ready") or _is_recent(ended.get("finishedAt"), seen)):
        return _ended(pod, name, ended, seen)
    return _not_ready(pod, name, container, seen)


def _never_started(waiting: Object) -> Object:
    return {"exitCode": None, **waiting} if waiting.get("reason") in _START else {}


def _image(pod: Object, name: str, container: Object, seen: Snapshot) -> Trouble:
    pulls = [event["message"] for event in seen.events_of(pod["metadata"]["uid"], {"Failed"}) if "pull" in event["message"]]
    words = pulls[-1] if pulls else container["state"]["waiting"].get("message", container["state"]["waiting"]["reason"])
    return _trouble("pod.image", pod, seen, f"image {container['image']}: {words}", container=name, key=str(container["image"]))


def _ended(pod: Object, name: str, ended: Object, seen: Snapshot) -> Trouble:
    code, words, since = ended.get("exitCode"), str(ended.get("message") or "").strip(), str(ended.get("finishedAt") or "")
    if ended.get("reason") == "OOMKilled":
        limit = _spec(pod, name).get("resources", {}).get("limits", {}).get("memory", "that of its node")
        return _trouble("pod.out_of_memory", pod, seen, f"ended as OOMKilled: it needs more than its limit of {limit}", name, since=since)
    if code in _CANNOT_EXECUTE or ended.get("reason") in _START:
        user = _user(pod, name)
        meaning = {126: f"user {user} may not execute its program", 127: "its program is not in the image"}.get(
            code or 0, "it cannot start"
        )
        return _trouble("pod.cannot_execute", pod, seen, f"exit {code}, {meaning}. {words}".strip(), name, key=str(code), since=since)
    repeated = pod["spec"].get("restartPolicy", "Always") != "Never"
    last = f"; its last words: {words}" if words else ""
    log = None if words else (pod["metadata"]["name"], name)
    kind = "pod.crashes" if repeated else "pod.failed"
    return _trouble(kind, pod, seen, f"ended with exit {code}{last}", name, key=str(code), since=since, log=log)


def _not_ready(pod: Object, name: str, container: Object, seen: Snapshot) -> Trouble | None:
    begun = container.get("state", {}).get("running", {}).get("startedAt")
    if container.get("ready") or not begun or seen.now - _time(begun) < READY_WITHIN:
        return None
    probes = seen.events_of(pod["metadata"]["uid"], {"Unhealthy"})
    words = probes[-1]["message"] if probes else "its readiness probe does not succeed"
    return _trouble("pod.not_ready", pod, seen, f"runs since {begun} and is not ready: {words}", name, since=begun)


def _volumes(pod: Object, seen: Snapshot) -> list[Trouble]:
    """What the kubelet waits for before there is any container."""
    waits = pod.get("status", {}).get("phase") == "Pending" and not any(
        each.get("state", {}).get("running") or each.get("state", {}).get("terminated") for _, each in _containers(pod)
    )
    events = seen.events_of(pod["metadata"]["uid"], _VOLUME) if waits else []
    return [_trouble("pod.volume", pod, seen, events[-1]["message"], since=_event_time(events[-1]))] if events else []


def _claims(pod: Object, seen: Snapshot) -> str:
    """What is said of the claims of a pod that has no node."""
    claims = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"].get("volumes", ())}
    words = {
        event["involvedObject"]["name"]: event["message"]
        for event in sorted(seen.events, key=_event_time)
        if event.get("reason") in _CLAIM and event["involvedObject"].get("name") in claims
    }
    return "; ".join(f"claim {name}: {message}" for name, message in words.items())


def _controllers(seen: Snapshot) -> Iterator[Trouble]:
    """Refusals of quota and admission: the controller is told, the pod is never there."""
    for controller in seen.controllers:
        events = seen.events_of(controller["metadata"]["uid"], _SHORT_OF_PODS) if _lacks_pods(controller) else []
        if events and events[-1]["reason"] == "FailedCreate":
            kind, name = str(controller["kind"]), controller["metadata"]["name"]
            words = re.sub(r"^.*?is forbidden: ", "forbidden: ", events[-1]["message"])
            yield Trouble(
                code="pod.refused",
                where=f"{kind} {name}",
                problem=words[:_LONGEST],
                cure=_cure("pod.refused", words, {**_names(seen), "owner": f"{kind.lower()} {name}"}),
                identity=("pod.refused", kind, name),
                since=_event_time(events[-1]),
            )


def _lacks_pods(controller: Object) -> bool:
    spec, status = controller.get("spec", {}), controller.get("status", {})
    if controller["kind"] == "Job":
        return not any(status.get(name) for name in ("active", "succeeded", "completionTime"))
    return bool(spec.get("replicas", 1) > status.get("replicas", 0))


def _trouble(
    code: str,
    pod: Object,
    seen: Snapshot,
    words: str,
    container: str = "",
    *,
    key: str = "",
    since: str = "",
    log: tuple[str, str] | None = None,
) -> Trouble:
    name = str(pod["metadata"]["name"])
    names = {**_names(seen), "pod": name, "container": container, "owner": f"pod {name}"}
    problem = re.sub(r"\s+", " ", words).strip()
    return Trouble(
        code=code,
        where=f"pod {name}, container {container}" if container else f"pod {name}",
        problem=problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]}...",
        cure=_cure(code, words, names),
        identity=(code, _workload(pod), container, key or ("" if container else problem)),
        since=since,
        log=log,
    )


def _names(seen: Snapshot) -> dict[str, str]:
    return {"environment": seen.environment, "namespace": seen.namespace}


def _cure(code: str, words: str, names: Mapping[str, str]) -> str:
    judged = _NAMES_IN_A_PULL.sub("", words) if code == "pod.image" else words
    match, text = next((found, text) for pattern, text in _CURES[code] if (found := re.search(pattern, judged, re.IGNORECASE)))
    return text.format(**{**names, **match.groupdict()})


def _workload(pod: Object) -> str:
    """What the pod belongs to: the same for two pods of one Deployment, also of two of its revisions."""
    owners = pod["metadata"].get("ownerReferences") or [{"kind": "Pod", "name": pod["metadata"]["name"]}]
    digest = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
    return f"{owners[0]['kind']} {owners[0]['name'].removesuffix(f'-{digest}')}"


def _owner_uid(pod: Object) -> str:
    return next((str(owner.get("uid")) for owner in pod["metadata"].get("ownerReferences", ())), "")


def _spec(pod: Object, container: str) -> Object:
    every = (*pod["spec"].get("initContainers", ()), *pod["spec"].get("containers", ()))
    return next((spec for spec in every if spec["name"] == container), {})


def _user(pod: Object, container: str) -> str:
    own = _spec(pod, container).get("securityContext", {}).get("runAsUser")
    user = own if own is not None else pod["spec"].get("securityContext", {}).get("runAsUser")
    return "of the image" if user is None else str(user)


def _condition(pod: Object, name: str) -> Object:
    return next((each for each in pod.get("status", {}).get("conditions", ()) if each["type"] == name), {})


def _is_recent(text: str | None, seen: Snapshot) -> bool:
    return text is not None and seen.now - _time(text) < _RECENT


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((str(time) for time in times if time), "")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
