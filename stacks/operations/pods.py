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

from policies.subject import get

Object = Mapping[str, Any]
Log = tuple[str, str]  # pod and container whose last lines say more
READY_WITHIN = timedelta(seconds=180)  # a container that runs for longer and is not ready is told; Milvus takes about a minute
_RECENT = timedelta(seconds=60)
_NAMES_IN_A_PULL = re.compile(r'^image \S+|"[^"\s]*"|\S*[/@]\S*|\b(for|lookup) \S+')
"""References, URLs and hosts in the words of a failed pull: a digest with 401 in it is no refusal."""
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
    controllers: Sequence[Object] = ()  # ReplicaSets, StatefulSets and Jobs
    events: Sequence[Object] = ()

    def events_of(self, uid: str, reasons: set[str]) -> list[Object]:
        """Events of one object, the newest last."""
        events = [event for event in self.events if event["involvedObject"].get("uid") == uid and event.get("reason") in reasons]
        return sorted(events, key=_event_time)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One cause for which something does not start."""

    code: str
    where: str  # the object, such as `pod milvus-0, container milvus`
    problem: str  # what is wrong, with the cluster's own words
    cure: str
    identity: tuple[str, ...] = field(default=())  # the same for every pod of one workload that has the same cause
    since: str = ""  # when it happened, by the cluster's own clock, as far as it says so
    log: Log | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.problem} [{self.code}]\n    breaks: {_TABLE[self.code]['breaks']}\n    type:   {self.cure}"


def find_troubles(seen: Snapshot) -> list[Trouble]:
    """Everything that keeps a pod from starting, each cause once."""
    troubles = [*_controllers(seen)]
    for pod in seen.pods:
        if not pod["metadata"].get("deletionTimestamp"):
            troubles += _Pod(pod, seen).troubles()
    return list({trouble.identity: trouble for trouble in reversed(troubles)}.values())[::-1]


@dataclass(frozen=True)
class _Pod:
    """One pod of a snapshot."""

    pod: Object
    seen: Snapshot

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def owner(self) -> Object | None:
        uid = next((owner.get("uid") for owner in self.pod["metadata"].get("ownerReferences", ())), "")
        return next((each for each in self.seen.controllers if each["metadata"]["uid"] == uid), None)

    @property
    def containers(self) -> list[Object]:
        return [each for group in ("initContainerStatuses", "containerStatuses") for each in get(self.pod, "status", group) or ()]

    def troubles(self) -> list[Trouble]:
        if get(self.owner, "status", "succeeded"):
            return []  # its Job came to a good end by another pod
        status = self.pod.get("status", {})
        if status.get("reason") and status.get("phase") == "Failed":
            return [self.trouble("pod.evicted", f"{status['reason']}: {status.get('message', '')}")]
        scheduled: Object = next((each for each in status.get("conditions", ()) if each["type"] == "PodScheduled"), {})
        if scheduled.get("status") == "False":
            words = f"{scheduled.get('message', '')} {self.claims()}".strip()
            return [self.trouble("pod.unschedulable", words, since=scheduled.get("lastTransitionTime", ""))]
        if held := self.held_open():
            return [held]
        return [trouble for each in self.containers if (trouble := self.of_container(each))] or self.volumes()

    def held_open(self) -> Trouble | None:
        """A Job's pod whose own containers ended well while another one, that somebody injected, runs on."""
        job = self.owner
        if job is None or job["kind"] != "Job":
            return None
        own = sorted(container["name"] for container in get(job, "spec", "template", "spec", "containers") or ())
        states = {each["name"]: each.get("state", {}) for each in get(self.pod, "status", "containerStatuses") or ()}
        ended = [states.get(name, {}).get("terminated") or {} for name in own]
        injected = sorted(name for name, state in states.items() if name not in own and "running" in state)
        if not own or not injected or not all(end.get("exitCode") == 0 for end in ended):
            return None
        words = f"{' and '.join(own)} ended well; {' and '.join(injected)}, which the Job does not declare, was injected and runs on"
        since, name = max(str(end["finishedAt"]) for end in ended), str(job["metadata"]["name"])
        identity = ("pod.held_open", name, *injected)
        return _trouble("pod.held_open", f"pod {self.name}", words, self.seen, identity, since=since, owner=f"job {name}")

    def of_container(self, container: Object) -> Trouble | None:
        state, name = container.get("state", {}), container["name"]
        waiting = state.get("waiting", {})
        if waiting.get("reason") in _IMAGE:
            pulls = [event["message"] for event in self.events({"Failed"}) if "pull" in event["message"]]
            words, image = pulls[-1] if pulls else waiting.get("message", waiting["reason"]), str(container["image"])
            return self.trouble("pod.image", f"image {image}: {words}", name, key=image)
        if waiting.get("reason") == "CreateContainerConfigError":
            return self.trouble("pod.config", waiting.get("message", ""), name)
        never_started = {"exitCode": None, **waiting} if waiting.get("reason") in _START else {}
        ended = state.get("terminated") or get(container, "lastState", "terminated") or never_started
        is_wrong = ended and (ended.get("exitCode") != 0 or waiting.get("reason") == "CrashLoopBackOff")
        is_recent = ended.get("finishedAt") is not None and self.seen.now - _time(ended["finishedAt"]) < _RECENT
        return self.ended(name, ended) if is_wrong and (not container.get("ready") or is_recent) else self.not_ready(container)

    def ended(self, name: str, ended: Object) -> Trouble:
        code, words, since = ended.get("exitCode"), str(ended.get("message") or "").strip(), str(ended.get("finishedAt") or "")
        containers = [each for group in ("initContainers", "containers") for each in self.pod["spec"].get(group, ())]
        spec: Object = next((each for each in containers if each["name"] == name), {})
        if ended.get("reason") == "OOMKilled":
            limit = get(spec, "resources", "limits", "memory") or "that of its node"
            return self.trouble("pod.out_of_memory", f"ended as OOMKilled: it needs more than its limit of {limit}", name, since=since)
        users = [get(each, "securityContext", "runAsUser") for each in (spec, self.pod["spec"])]
        user = next((user for user in users if user is not None), "of the image")
        meaning = {126: f"user {user} may not execute its program", 127: "its program is not in the image"}.get(code or 0)
        if meaning or ended.get("reason") in _START:
            text = f"exit {code}, {meaning or 'it cannot start'}. {words}".strip()
            return self.trouble("pod.cannot_execute", text, name, key=str(code), since=since)
        kind = "pod.crashes" if self.pod["spec"].get("restartPolicy", "Always") != "Never" else "pod.failed"
        text = f"ended with exit {code}{f'; its last words: {words}' if words else ''}"
        return self.trouble(kind, text, name, key=str(code), since=since, log=None if words else (self.name, name))

    def not_ready(self, container: Object) -> Trouble | None:
        begun = get(container, "state", "running", "startedAt")
        if container.get("ready") or not begun or self.seen.now - _time(begun) < READY_WITHIN:
            return None
        probes = self.events({"Unhealthy"})
        words = probes[-1]["message"] if probes else "its readiness probe does not succeed"
        return self.trouble("pod.not_ready", f"runs since {begun} and is not ready: {words}", container["name"], since=begun)

    def volumes(self) -> list[Trouble]:
        """What the kubelet waits for before there is any container."""
        began = any(get(each, "state", "running") or get(each, "state", "terminated") for each in self.containers)
        events = self.events(_VOLUME) if get(self.pod, "status", "phase") == "Pending" and not began else []
        return [self.trouble("pod.volume", events[-1]["message"], since=_event_time(events[-1]))] if events else []

    def claims(self) -> str:
        """What is said of the claims of a pod that has no node."""
        claims = {get(volume, "persistentVolumeClaim", "claimName") for volume in self.pod["spec"].get("volumes", ())}
        events = [event for event in sorted(self.seen.events, key=_event_time) if event.get("reason") in _CLAIM]
        words = {event["involvedObject"].get("name"): event["message"] for event in events}
        return "; ".join(f"claim {name}: {message}" for name, message in words.items() if name is not None and name in claims)

    def events(self, reasons: set[str]) -> list[Object]:
        return self.seen.events_of(self.pod["metadata"]["uid"], reasons)

    def trouble(self, code: str, words: str, container: str = "", *, key: str = "", **more: Any) -> Trouble:  # noqa: ANN401  as _trouble has them
        controller = (self.pod["metadata"].get("ownerReferences") or [{"kind": "Pod", "name": self.name}])[0]
        digest = self.pod["metadata"].get("labels", {}).get("pod-template-hash", "")  # differs between revisions of one Deployment
        workload = f"{controller['kind']} {controller['name'].removesuffix(f'-{digest}')}"
        problem = re.sub(r"\s+", " ", words).strip()
        where = f"pod {self.name}, container {container}" if container else f"pod {self.name}"
        identity = (code, workload, container, key or ("" if container else problem))
        owner = f"pod {self.name}"
        return _trouble(code, where, problem, self.seen, identity, pod=self.name, container=container, owner=owner, **more)


def _controllers(seen: Snapshot) -> Iterator[Trouble]:
    """Refusals of quota and admission: the controller is told, the pod is never there."""
    for controller in seen.controllers:
        spec, status = controller.get("spec", {}), controller.get("status", {})
        lacks = spec.get("replicas", 1) > status.get("replicas", 0)
        if controller["kind"] == "Job":
            lacks = not any(status.get(name) for name in ("active", "succeeded", "completionTime"))
        events = seen.events_of(controller["metadata"]["uid"], _SHORT_OF_PODS) if lacks else []
        if events and events[-1]["reason"] == "FailedCreate":
            kind, name = str(controller["kind"]), controller["metadata"]["name"]
            words, since = re.sub(r"^.*?is forbidden: ", "forbidden: ", events[-1]["message"]), _event_time(events[-1])
            identity, owner = ("pod.refused", kind, name), f"{kind.lower()} {name}"
            yield _trouble("pod.refused", f"{kind} {name}", words, seen, identity, since=since, owner=owner)


def _trouble(
    code: str, where: str, words: str, seen: Snapshot, identity: tuple[str, ...], *, since: str = "", log: Log | None = None, **names: str
) -> Trouble:
    """Find the cure: the first pattern of the table decides; names in the words of a failed pull are none of them."""
    judged, rows = _NAMES_IN_A_PULL.sub("", words) if code == "pod.image" else words, _TABLE[code]["cures"]
    match, text = next((match, text) for pattern, text in rows if (match := re.search(pattern, judged, re.IGNORECASE)))
    command = f"pulumi config set --stack {seen.environment} --path milvus-x10000:"
    cure = str(text).format(set=command, environment=seen.environment, namespace=seen.namespace, **{**names, **match.groupdict()})
    problem = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
    return Trouble(code=code, where=where, problem=problem, cure=cure, identity=identity, since=since, log=log)


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((str(time) for time in times if time), "")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
