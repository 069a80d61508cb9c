"""Why pods cannot start, read from plain objects of the API: each cause once, with what it breaks and what to type. Pure.

A container waits, ended, or runs without becoming ready; a pod finds no node, or waits for a volume; a controller is refused its pods.
A cure names the setting or the command by which the words of the cluster that stand beside it go away.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

Object = Mapping[str, Any]

READY_WITHIN = timedelta(seconds=180)
"""A container that runs for longer and is not ready is told; Milvus takes about a minute."""
_RECENT = timedelta(seconds=60)
_NAMES_IN_A_PULL = re.compile(r'^image \S+|"[^"\s]*"|\S*[/@]\S*|\b(for|lookup) \S+')
"""References, URLs and hosts in the words of a failed pull: a digest with 401 in it is no refusal."""
_CANNOT_EXECUTE = {126, 127}
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError"}
_START = {"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError"}
_SHORT_OF_PODS = {"FailedCreate", "SuccessfulCreate"}
_VOLUME = {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}
_CLAIM = {"FailedBinding", "ProvisioningFailed"}
_LONGEST = 500

_TABLE = yaml.safe_load(Path(__file__).with_name("cures.yaml").read_text(encoding="utf-8"))


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
        events = [event for event in self.events if event["involvedObject"].get("uid") == uid and event.get("reason") in reasons]
        return sorted(events, key=_event_time)


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
        return f"{self.where}: {self.problem} [{self.code}]\n    breaks: {_TABLE[self.code]['breaks']}\n    type:   {self.cure}"


def find_troubles(seen: Snapshot) -> list[Trouble]:
    """Everything that keeps a pod from starting, each cause once."""
    troubles = [*_controllers(seen)]
    for pod in seen.pods:
        if not pod["metadata"].get("deletionTimestamp") and not _done(pod, seen):
            troubles += _of_pod(pod, seen)
    return list({trouble.identity: trouble for trouble in reversed(troubles)}.values())[::-1]


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
    troubles = [trouble for name, container in _containers(pod) if (trouble := _of_container(pod, name, container, seen))]
    return troubles or _volumes(pod, seen)


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
    return Trouble(
        code="pod.held_open",
        where=f"pod {pod['metadata']['name']}",
        problem=words,
        cure=_cure("pod.held_open", words, seen, owner=f"job {job['metadata']['name']}"),
        identity=("pod.held_open", str(job["metadata"]["name"]), *injected),
        since=since,
    )


def _containers(pod: Object) -> list[tuple[str, Object]]:
    status = pod.get("status", {})
    return [(each["name"], each) for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))]


def _of_container(pod: Object, name: str, container: Object, seen: Snapshot) -> Trouble | None:
    state = container.get("state", {})
    waiting = state.get("waiting", {})
    if waiting.get("reason") in _IMAGE:
        return _image(pod, name, container, seen)
    if waiting.get("reason") == "CreateContainerConfigError":
        return _trouble("pod.config", pod, seen, waiting.get("message", ""), container=name)
    never_started = {"exitCode": None, **waiting} if waiting.get("reason") in _START else {}
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or never_started
    is_wrong = ended and (ended.get("exitCode") != 0 or waiting.get("reason") == "CrashLoopBackOff")
    if is_wrong and (not container.get("ready") or _is_recent(ended.get("finishedAt"), seen)):
        return _ended(pod, name, ended, seen)
    return _not_ready(pod, name, container, seen)


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
        meanings = {126: f"user {_user(pod, name)} may not execute its program", 127: "its program is not in the image"}
        text = f"exit {code}, {meanings.get(code or 0, 'it cannot start')}. {words}".strip()
        return _trouble("pod.cannot_execute", pod, seen, text, name, key=str(code), since=since)
    kind = "pod.crashes" if pod["spec"].get("restartPolicy", "Always") != "Never" else "pod.failed"
    text = f"ended with exit {code}{f'; its last words: {words}' if words else ''}"
    log = None if words else (pod["metadata"]["name"], name)
    return _trouble(kind, pod, seen, text, name, key=str(code), since=since, log=log)


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
                cure=_cure("pod.refused", words, seen, owner=f"{kind.lower()} {name}"),
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
    problem = re.sub(r"\s+", " ", words).strip()
    return Trouble(
        code=code,
        where=f"pod {name}, container {container}" if container else f"pod {name}",
        problem=problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]}...",
        cure=_cure(code, words, seen, pod=name, container=container, owner=f"pod {name}"),
        identity=(code, _workload(pod), container, key or ("" if container else problem)),
        since=since,
        log=log,
    )


def _cure(code: str, words: str, seen: Snapshot, **names: str) -> str:
    """The first pattern of the table that is found decides; names in the words of a failed pull are none of them."""
    judged = _NAMES_IN_A_PULL.sub("", words) if code == "pod.image" else words
    rows = _TABLE[code]["cures"]
    match, text = next((match, text) for pattern, text in rows if (match := re.search(pattern, judged, re.IGNORECASE)))
    command = f"pulumi config set --stack {seen.environment} --path milvus-x10000:"
    return str(text).format(set=command, environment=seen.environment, namespace=seen.namespace, **{**names, **match.groupdict()})


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
