"""Look at what is there of an environment, and mend what is half-done: Pulumi's state and locks, Helm's record, the objects themselves."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError
from urllib3.exceptions import HTTPError

from components import kube_api
from components.milvus_values import SERVICE_NAME
from stacks.operations import helm, pulumi_cli
from stacks.operations.leftovers import RELEASE, Facts, Finding, Lock
from stacks.problems import UnansweredError

_KUBERNETES = "kubernetes:"
_UNSEEN = {"helm.sh/v3", "batch/v1"}
"""Not objects, or objects that end: a Job that somebody removed has done its work."""
_WORKLOADS = {"Deployment", "StatefulSet"}
_PLUGIN = "pulumi-resource-kubernetes"
_TIMEOUT_S = 30

Identity = tuple[str, str, str]
"""API version, kind and name of an object in the namespace."""


def inspect(environment: str, namespace: str) -> Facts:
    """Return what is there; UnansweredError where Helm or the cluster does not answer."""
    state = pulumi_cli.state(environment) or {}
    resources: list[dict[str, Any]] = state.get("resources") or []
    pending = [operation["resource"]["urn"].rpartition("::")[2] for operation in state.get("pending_operations") or []]
    locks = read_locks(environment)
    if not _holds_namespace(resources, namespace):
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
        plugin_runs=_plugin_runs(),
        pending=pending,
        revisions=revisions,
        missing_of_release=missing(helm.manifest(SERVICE_NAME, namespace), namespace) if deployed else (),
        missing_of_stack=missing(list(_declared(resources, namespace)), namespace),
    )


def _holds_namespace(resources: Sequence[Mapping[str, Any]], namespace: str) -> bool:
    return any(resource["type"] == "kubernetes:core/v1:Namespace" and resource.get("id") == namespace for resource in resources)


def _declared(resources: Sequence[Mapping[str, Any]], namespace: str) -> Iterator[dict[str, Any]]:
    """Objects of the state in the namespace, by their types and ids: their contents may be secret."""
    for resource in resources:
        space, _, name = str(resource.get("id", "")).partition("/")
        if not resource["type"].startswith(_KUBERNETES) or space != namespace or not name:
            continue
        version, _, kind = resource["type"].removeprefix(_KUBERNETES).rpartition(":")
        if version not in _UNSEEN:
            yield {"apiVersion": version.removeprefix("core/"), "kind": kind, "metadata": {"name": name}}


def missing(objects: Sequence[Mapping[str, Any]], namespace: str) -> list[str]:
    """Those that the cluster does not have, and workloads that somebody scaled to nothing; UnansweredError without a cluster."""
    try:
        with kube_api.opened() as api:
            dynamic = DynamicClient(api)  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
            return [problem for wanted in objects if (problem := _missing(dynamic, wanted, namespace))]
    except (ApiException, HTTPError, ConfigException) as error:
        raise UnansweredError(
            f"the objects of {namespace!r} cannot be looked at ({type(error).__name__}); kubectl cluster-info", code="cluster.unanswered"
        ) from None


def _missing(dynamic: Any, wanted: Mapping[str, Any], namespace: str) -> str:  # noqa: ANN401  kubernetes.dynamic has no types
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    try:
        resource = dynamic.resources.get(api_version=wanted["apiVersion"], kind=kind)
        live = resource.get(name=name, namespace=namespace if resource.namespaced else None, _request_timeout=_TIMEOUT_S).to_dict()
    except (NotFoundError, ResourceNotFoundError):
        return f"{kind} {name}"
    except ApiException as error:
        if error.status == 403:  # noqa: PLR2004  may not be looked at, which says nothing of it
            return ""
        raise
    idle = kind in _WORKLOADS and wanted.get("spec", {}).get("replicas", 1) and not live["spec"].get("replicas", 1)
    return f"every pod of {kind} {name} (0 replicas)" if idle else ""


def read_locks(environment: str) -> list[Lock] | None:
    """Return who locks the state; None for a backend that is not in files, which tells its locks when `pulumi up` meets them."""
    folder = pulumi_cli.backend_folder()
    return None if folder is None else [_lock(path) for path in sorted((folder / "locks").rglob(f"{environment}/*.json"))]


def _lock(path: Path) -> Lock:
    lock = json.loads(path.read_text())
    owner = f"{lock.get('username')}@{lock.get('hostname')}, process {lock['pid']}, since {lock.get('timestamp')}"
    here = lock.get("hostname") == socket.gethostname()
    return Lock(owner=owner, is_stale=here and not _is_pulumi(lock["pid"], path.stat().st_mtime))


def _is_pulumi(pid: int, locked_at: float) -> bool:
    """Whether that process wrote the lock: one that started later, perhaps after a restart of the machine, did not."""
    try:
        process = psutil.Process(pid)
        return process.name() == "pulumi" and process.create_time() <= locked_at + 1
    except psutil.NoSuchProcess:
        return False


def _plugin_runs() -> bool:
    """Whether any does, of whichever stack: none says for which one it works."""
    return any(_PLUGIN in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


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
