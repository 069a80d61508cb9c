"""What an earlier run left half-done, what that breaks, and what would mend it: seen by `inspect`, judged by `diagnose`, which is pure.

`pulumi up` alone passes over most of it: it compares the settings with its own state, and where an upgrade was ended hard, the state still
holds the old settings, so the next run says "unchanged" while no pod of Milvus is there.
"""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from components import kube_api
from components.milvus_values import SERVICE_NAME
from stacks.operations import cluster, helm, pulumi_cli
from stacks.operations.helm import GOOD, PENDING, Revision
from stacks.problems import UnansweredError
from stacks.settings import Settings

RELEASE = "milvus-release"  # Milvus's release, as the state names it
_MOST_NAMES = 6
_TABLE = yaml.safe_load(Path(__file__).with_name("leftovers.yaml").read_text(encoding="utf-8"))
_KUBERNETES = "kubernetes:"
_UNSEEN = {"helm.sh/v3", "batch/v1"}  # not objects, or objects that end: a Job that somebody removed has done its work
_WORKLOADS = {"Deployment", "StatefulSet"}
_PLUGIN = "pulumi-resource-kubernetes"  # of whichever stack: none says for which one it works
UNFINISHED = Path("build") / "unfinished"  # notes of commands that go on when they are typed again: process and command, then their own
_GATES = "gate_"  # begins the name of each collection that a gate made for itself
_DRILL = "milvus-x10000/drill"  # annotation of what a drill changed, with how to undo it; label of what it made
Cure = Literal["none", "wait", "cancel", "refresh", "roll back", "remove", "undo"]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock on the state."""

    owner: str  # user, machine, process and time, as Pulumi wrote them down
    is_stale: bool  # its process is known to be gone


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen of one environment; everything is its own, nothing another environment's."""

    environment: str
    is_ours: bool  # the state holds the namespace, so that what is in it is this environment's: a release of another one is not judged
    in_state: bool = False  # the state holds Milvus's release
    is_retried: bool = False  # the state says that the release is not complete, so that the next `pulumi up` tries again
    locks: Sequence[Lock] | None = None  # on the state; None where the backend shows none beforehand, so that somebody may be at work
    plugin_runs: bool = False  # a Kubernetes plugin runs on this machine: killed, Pulumi leaves it installing for up to five minutes
    pending: Sequence[str] = ()  # resources at which an earlier Pulumi was killed
    revisions: Sequence[Revision] = ()  # of Milvus's release, the newest last; none where Helm has no such release
    missing_of_release: Sequence[str] = ()  # objects of the newest revision that the cluster does not have, and workloads without a pod
    missing_of_stack: Sequence[str] = ()  # objects in the state that the cluster does not have
    unfinished: Mapping[Path, str] = field(default_factory=dict)  # commands that did not come to their end, by the note of each
    drilled: Sequence[str] = ()  # workloads that a drill changed or made, and did not undo
    keys: Sequence[int] = ()  # generations of Milvus's key that settings or state have: one at rest


@dataclass(frozen=True)
class Finding:
    """One thing that is half-done."""

    code: str
    problem: str  # what is wrong, and what it breaks
    cure: Cure
    action: str  # what the cure does
    revision: int = 0  # to roll back to
    pending_for_s: float | None = None  # since when a helm was at work that may still be; None where none can be

    def __str__(self) -> str:
        return f"{self.problem} [{self.code}]\n    mends it: {self.action}"


def diagnose(facts: Facts) -> list[Finding]:
    """Return everything that is half-done, in the order in which to mend it."""
    environment, findings = facts.environment, list[Finding]()
    for lock in facts.locks or ():
        findings.append(_finding("state.stale_lock" if lock.is_stale else "state.locked", owner=lock.owner, environment=environment))
    if facts.drilled:
        findings.append(_finding("drill.left_over", names=_listed(facts.drilled), environment=environment))
    findings += [_finding("command.unfinished", command=command, note=note) for note, command in facts.unfinished.items()]
    if len(facts.keys) > 1:
        findings.append(_finding("rotation.unfinished", keys=" and ".join(map(str, facts.keys)), environment=environment))
    findings += _release(facts)
    if facts.pending:
        findings.append(_finding("state.pending", names=_listed(facts.pending), environment=environment))
    if facts.missing_of_stack:
        findings.append(_finding("state.objects_missing", names=_listed(facts.missing_of_stack), environment=environment))
    elif facts.in_state and not facts.revisions and not facts.pending:
        findings.append(_finding("release.gone", environment=environment))
    return findings


def _finding(row: str, /, code: str = "", *, revision: int = 0, pending_for_s: float | None = None, **words: object) -> Finding:
    """Return a finding as leftovers.yaml has it in `row`, which is its code too unless another is given."""
    texts = {name: text.format(**words) for name, text in _TABLE[row].items()}
    return Finding(code=code or row, revision=revision, pending_for_s=pending_for_s, **texts)


def _release(facts: Facts) -> Iterator[Finding]:
    if not facts.revisions:
        return
    last, missing = facts.revisions[-1], facts.missing_of_release
    if last.status != "deployed":
        yield _half_done(last, [revision.number for revision in facts.revisions[:-1] if revision.status in GOOD], facts)
    elif not facts.in_state:
        yield _finding("release.not_in_state", number=last.number)
    elif missing:
        yield _finding("release.objects_missing", revision=last.number, number=last.number, names=_listed(missing))


def _half_done(last: Revision, good: Sequence[int], facts: Facts) -> Finding:
    code = f"release.{last.status.replace('-', '_')}"
    seen = f"revision {last.number} of Milvus is {last.status} ({last.description})"
    if last.status == "failed" and facts.is_retried:
        return _finding("retried", code, seen=seen)
    pending = last.age_s if last.status in PENDING else None
    begun_here = RELEASE in facts.pending and not facts.plugin_runs
    is_left = begun_here and facts.locks is not None and all(lock.is_stale for lock in facts.locks)
    since = None if is_left else pending  # the Pulumi that began it is known to be gone, and its helm with it
    problem = f"{seen}, and `pulumi up` takes it for unchanged where the settings are those of its state"
    if pending is not None:
        refused = "the next one is refused: 'another operation is in progress'"
        problem = f"{seen}: a helm began it {pending:.0f} s ago and did not end it, and {refused}"
    if not good or last.status == "uninstalling":
        return _finding("without_good", code, pending_for_s=since, problem=problem)
    return _finding("half_done", code, revision=good[-1], pending_for_s=since, problem=problem, good=good[-1])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def of_collections(environment: str, names: Sequence[str]) -> list[Finding]:
    """Return what gates left in Milvus, by the names of what it holds."""
    left = [name for name in names if name.startswith(_GATES)]
    drops = " ".join(f"--drop {name}" for name in left)
    return [_finding("collections.left_over", names=_listed(left), drops=drops, environment=environment)] if left else []


def inspect(environment: str, settings: Settings) -> Facts:
    """Return what is there; UnansweredError where Helm or the cluster does not answer."""
    state, namespace = pulumi_cli.state(environment) or {}, settings.namespace
    resources: list[dict[str, Any]] = state.get("resources") or []
    pending = [operation["resource"]["urn"].rpartition("::")[2] for operation in state.get("pending_operations") or []]
    locks = read_locks(environment)
    if not any(each["type"] == "kubernetes:core/v1:Namespace" and each.get("id") == namespace for each in resources):
        return Facts(environment=environment, is_ours=False, locks=locks, pending=pending)
    release = next((resource for resource in resources if resource["urn"].endswith(f"::{RELEASE}")), None)
    revisions = helm.history(SERVICE_NAME, namespace)
    deployed = bool(revisions) and revisions[-1].status == "deployed"
    return Facts(
        environment=environment,
        is_ours=True,
        in_state=release is not None,
        is_retried=bool(release and release.get("initErrors")),
        locks=locks,
        plugin_runs=any(_PLUGIN in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])),
        pending=pending,
        revisions=revisions,
        missing_of_release=missing(helm.manifest(SERVICE_NAME, namespace), namespace) if deployed else (),
        missing_of_stack=missing(list(_declared(resources, namespace)), namespace),
        unfinished=_unfinished(environment),
        drilled=_drilled(namespace),
        keys=sorted({*pulumi_cli.credentials(resources), *settings.object_store.generations.valid()}),
    )


def _drilled(namespace: str) -> list[str]:
    """Return the workloads that a drill changed or made."""
    with cluster.api(f"the workloads of {namespace!r} cannot be looked at", "kubectl cluster-info") as api:
        apps = client.AppsV1Api(api)
        workloads: list[Any] = [*apps.list_namespaced_deployment(namespace).items, *apps.list_namespaced_stateful_set(namespace).items]
    marks = {each.metadata.name: {**(each.metadata.annotations or {}), **(each.metadata.labels or {})} for each in workloads}
    return [name for name, marked in marks.items() if _DRILL in marked]


def _unfinished(environment: str) -> dict[Path, str]:
    """Return the commands that are not at work any more, by the note of each."""
    notes = {note: note.read_text(encoding="utf-8").partition("\n")[0].partition(" ") for note in sorted(UNFINISHED.glob("[!.]*"))}
    ended = {note: command for note, (pid, _, command) in notes.items() if not psutil.pid_exists(int(pid))}
    return {note: command for note, command in ended.items() if command.split()[2] == environment}


def _declared(resources: Sequence[Mapping[str, Any]], namespace: str) -> Iterator[dict[str, Any]]:
    """Objects of the state in the namespace, by their types and ids: their contents may be secret."""
    for resource in resources:
        space, _, name = str(resource.get("id", "")).partition("/")
        if not resource["type"].startswith(_KUBERNETES) or space != namespace or not name:
            continue
        version, _, kind = resource["type"].removeprefix(_KUBERNETES).rpartition(":")
        if version not in _UNSEEN:  # a Patch, as Pulumi calls a few fields of what others made, is no kind of the cluster
            yield {"apiVersion": version.removeprefix("core/"), "kind": kind.removesuffix("Patch"), "metadata": {"name": name}}


def missing(objects: Sequence[Mapping[str, Any]], namespace: str) -> list[str]:
    """Those that the cluster does not have, and workloads that somebody scaled to nothing; UnansweredError without a cluster."""
    gone = []
    with cluster.api(f"the objects of {namespace!r} cannot be looked at", "kubectl cluster-info") as api:
        dynamic: Any = DynamicClient(api)  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
        for each in objects:
            kind, name = each["kind"], each["metadata"]["name"]
            try:
                resource = dynamic.resources.get(api_version=each["apiVersion"], kind=kind)
                space = namespace if resource.namespaced else None
                live = resource.get(name=name, namespace=space, _request_timeout=kube_api.TIMEOUT_S).to_dict()
            except (NotFoundError, ResourceNotFoundError):
                gone.append(f"{kind} {name}")
                continue
            except ApiException as error:
                if error.status == kube_api.FORBIDDEN:  # which says nothing of it
                    continue
                raise
            if kind in _WORKLOADS and each.get("spec", {}).get("replicas", 1) and not live["spec"].get("replicas", 1):
                gone.append(f"every pod of {kind} {name} (0 replicas)")
    return gone


def read_locks(environment: str) -> list[Lock] | None:
    """Return who locks the state; None for a backend that is not in files, which tells its locks when `pulumi up` meets them."""
    folder, locks = pulumi_cli.backend_folder(), []
    if folder is None:
        return None
    for path in sorted((folder / "locks").rglob(f"{environment}/*.json")):
        lock = json.loads(path.read_text())
        owner = f"{lock.get('username')}@{lock.get('hostname')}, process {lock['pid']}, since {lock.get('timestamp')}"
        try:
            process = psutil.Process(lock["pid"])  # one that started later, perhaps after a restart of the machine, did not write the lock
            is_at_work = process.name() == "pulumi" and process.create_time() <= path.stat().st_mtime + 1
        except psutil.NoSuchProcess:
            is_at_work = False
        locks.append(Lock(owner=owner, is_stale=lock.get("hostname") == socket.gethostname() and not is_at_work))
    return locks


def mend(finding: Finding, environment: str, namespace: str) -> None:
    """Carry a cure out; UnansweredError where it does not succeed."""
    if finding.cure == "cancel":
        pulumi_cli.cancel(environment)
    elif finding.cure == "roll back":
        helm.roll_back(SERVICE_NAME, namespace, finding.revision)
    elif finding.cure == "remove":
        helm.remove(SERVICE_NAME, namespace)
    elif finding.cure == "refresh" and (ended := pulumi_cli.refresh(environment)).code:
        raise UnansweredError(f"`pulumi refresh` did not succeed: {ended.cause}", code="pulumi.failed")
