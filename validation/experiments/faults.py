"""What drills do to the parts of a deployed stack, and undo: pods are killed, evicted and filled, a proxy stands before the store.

Before a declared object is changed, what it was is written into an annotation of it, and `undo` reads nothing else: the next drill undoes
what a killed one left. The state of Pulumi and Helm's record are not touched.
"""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.utils.quantity import parse_quantity
from tenacity import RetryError, retry, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from validation.clients import kube
from validation.clients.target import Target
from validation.experiments import store_proxy
from validation.judge.errors import InvalidRunError, UsageError
from validation.load.pods import coordinator
from validation.load.pods.job import CONTAINER, gone

AWAY_S, _STORE_S, _READY_S = 15.0, 60.0, 300.0
_NOTE = "milvus-x10000/drill"  # annotation: the JSON patch that undoes what a drill changed
_NAME = "drill-store"
PART = "app.kubernetes.io/name"
_MILVUS, _KINDS = f"{PART}=milvus", ("deployment", "stateful_set")
_DECLARED: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_LABELS: dict[str, str] = _DECLARED["service"]["metadata"]["labels"]


class Faults:
    """What is done to the pods of a namespace, and undone."""

    def __init__(self, cluster: kube.Cluster, target: Target) -> None:
        api = cluster.api_client
        self._core, self._apps, self._network = client.CoreV1Api(api), client.AppsV1Api(api), client.NetworkingV1Api(api)
        self._cluster, self._target, self._namespace = cluster, target, target.namespace
        self.stopped = threading.Event()
        self.met: int | None = None  # requests to the store during a fault of the store

    def pods(self, labels: str = "") -> list[Any]:
        """Return the pods that are to run for ever; UsageError where there are none."""
        every: list[Any] = self._core.list_namespaced_pod(self._namespace, label_selector=labels).items
        if not (kept := [pod for pod in every if pod.spec.restart_policy == "Always"]):
            why = "it is part of another one, or runs elsewhere; nothing was broken"
            raise UsageError(f"namespace {self._namespace} has no pod {labels}: {why}")
        return kept

    def kill(self, part: str) -> None:
        """SIGKILL all pods of this name, and wait until others are ready in their place."""
        victims = self.pods(f"{PART}={part}")
        for pod in victims:
            self._core.delete_namespaced_pod(pod.metadata.name, self._namespace, grace_period_seconds=0)
        self._wait_ready(victims)

    def take_away(self, name: str, labels: str = "", seconds: float = AWAY_S) -> None:
        """Leave a Deployment without pods for a while."""
        victims = self.pods(labels or f"{PART}={name}")
        self._change("deployment", self._apps.read_namespaced_deployment(name, self._namespace), "/spec/replicas", 0)
        try:
            self.stopped.wait(seconds)
        finally:
            self._restore("deployment", self._apps.read_namespaced_deployment(name, self._namespace))
        self._wait_ready(victims)

    def drain(self) -> None:
        """Evict every pod, one after another; where a budget forbids it, again until it does not."""
        patiently = retry(retry=retry_if_exception_type(ApiException), stop=stop_after_delay(_READY_S), wait=wait_fixed(2), reraise=True)
        victims = self.pods()
        for pod in victims:
            body = client.V1Eviction(metadata=client.V1ObjectMeta(name=pod.metadata.name, namespace=self._namespace))
            patiently(self._core.create_namespaced_pod_eviction)(pod.metadata.name, self._namespace, body)
        self._wait_ready(victims)

    def store(self, fault: str) -> None:
        """Let the proxy do this to the requests of Milvus for a while, or be away; InvalidRunError where there was no request."""
        if fault == "down":
            self.take_away(_NAME, "milvus-x10000/drill=store", _STORE_S)
            return
        self._tell(fault)
        try:
            self.stopped.wait(_STORE_S)
        finally:
            self.met = self._tell("")
        if not self.met:
            raise InvalidRunError(f"Milvus sent no request to its store within {_STORE_S:g} s: the fault met nothing")

    def _tell(self, fault: str) -> int:
        url = self._cluster.address(f"http://{_NAME}.{self._namespace}.svc:{store_proxy.PORT}")
        kube.bypass_proxies([url])
        answer = httpx.put(f"{url}{store_proxy.CONTROL}", params={"fault": fault}, timeout=10)
        return int(answer.raise_for_status().text)

    def put_proxy_before_store(self) -> None:
        """Start a proxy in the namespace, and let each pod of Milvus begin anew with the proxy as its store."""
        coordinator.require(self._target)
        self._make_proxy()
        self._wait_ready([])
        victims, host = self.pods(_MILVUS), f"{_NAME}.{self._namespace}.svc"
        ours = {"MINIO_ADDRESS": host} | _DECLARED["milvus"]
        for kind, workload in self._workloads(_MILVUS):
            before = self._plain(workload.spec.template.spec.containers[0].env or [])
            env = [each for each in before if each["name"] not in ours] + [{"name": name, "value": value} for name, value in ours.items()]
            self._change(kind, workload, "/spec/template/spec/containers/0/env", env, before)
        self._wait_ready(victims)

    def _make_proxy(self) -> None:
        self._core.create_namespaced_service(self._namespace, _DECLARED["service"])
        declared = _DECLARED["deployment"]
        deployment: Any = declared | {"spec": declared["spec"] | {"template": self._proxy_pod()}}
        self._apps.create_namespaced_deployment(self._namespace, deployment)
        if self._network.list_namespaced_network_policy(self._namespace).items:  # else one of ours would be the first to forbid anything
            self._network.create_namespaced_network_policy(self._namespace, _DECLARED["policy"])

    def _proxy_pod(self) -> dict[str, Any]:
        """Return the suite's pod as the stack declares it, with its account, its rights and its trust, as the proxy."""
        declared = self._core.read_namespaced_pod_template(self._target.load_pod_template, self._namespace)
        pod: dict[str, Any] = self._plain(declared.template)
        container = next(each for each in pod["spec"]["containers"] if each["name"] == CONTAINER)
        left_out = {each["name"] for each in pod["spec"].get("volumes", []) if "secret" in each}
        pod["spec"]["volumes"] = [each for each in pod["spec"].get("volumes", []) if each["name"] not in left_out]
        container["volumeMounts"] = [each for each in container.get("volumeMounts", []) if each["name"] not in left_out]
        container |= {"args": ["store-proxy", self._target.object_store_endpoint], "readinessProbe": _DECLARED["probe"]}
        pod["spec"] |= {"containers": [container], "restartPolicy": "Always"}
        pod["metadata"]["labels"] = pod["metadata"].get("labels", {}) | _LABELS
        return pod

    def fill(self, resource: str) -> None:
        """Fill a container of Milvus beyond its limit until the kernel or an eviction ends it, and wait until it is ready again."""
        pod = self.pods(_MILVUS)[0]
        name, container = pod.metadata.name, pod.spec.containers[0]
        if resource not in (limits := container.resources.limits or {}):
            raise UsageError(f"pod {name} has no limit of {resource}: that of the whole node would be used up; nothing was broken")
        limit = int(parse_quantity(limits[resource]))  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
        script = _DECLARED["fill"][resource].replace("{each}", str(limit // 64)).replace("{mib}", str(limit // 2**20 + 64))
        before = pod.status.container_statuses[0].restart_count
        self.shell(pod, script)

        def is_as_before() -> bool:
            status: Any = self._core.read_namespaced_pod(name, self._namespace).status
            return not self.stopped.is_set() and status.phase != "Failed" and status.container_statuses[0].restart_count == before

        _wait(is_as_before, f"Milvus's pod {name} was not ended for its {resource}", 60)
        self._wait_ready([])
        if resource != "memory":  # what was evicted stays for ever
            self._core.delete_namespaced_pod(name, self._namespace)

    def shell(self, pod: Any, script: str) -> str:  # noqa: ANN401 - as the client has it
        """Run a script in the first container of a pod, and return what it prints; no other thread may use this connection meanwhile."""
        how: dict[str, Any] = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "container": pod.spec.containers[0].name}
        asked = self._core.connect_get_namespaced_pod_exec, pod.metadata.name, self._namespace
        return str(stream(*asked, command=["sh", "-c", script], **how))

    def usage(self, part: str) -> Iterator[tuple[str, str, float]]:
        """Yield memory and descriptors of each pod of this name: name, lifetime, value."""
        for pod in self.pods(f"{PART}={part}"):
            kib, descriptors = map(int, self.shell(pod, _DECLARED["usage"]).split())
            labels, restarts = pod.metadata.labels, [each.restart_count for each in pod.status.container_statuses or ()]
            name = f"{part}_{labels.get('component', '')}".removesuffix("_").removesuffix("_standalone")
            yield f"{name}_memory_mib", f"{pod.metadata.uid} {restarts}", kib / 1024
            yield f"{name}_descriptors", f"{pod.metadata.uid} {restarts}", descriptors

    def _plain(self, declared: object) -> Any:  # noqa: ANN401 - as the API spells it
        return self._cluster.api_client.sanitize_for_serialization(declared)  # type: ignore[no-untyped-call]  # as above

    def _workloads(self, labels: str = "") -> Iterator[tuple[str, Any]]:
        for kind in _KINDS:
            listed = getattr(self._apps, f"list_namespaced_{kind}")(self._namespace, label_selector=labels).items
            yield from ((kind, each) for each in listed)

    def _change(self, kind: str, workload: Any, path: str, value: object, before: object = None) -> None:  # noqa: ANN401 - the client's objects
        """Change a workload after noting what undoes it."""
        undo = [{"op": "add", "path": path, "value": workload.spec.replicas if before is None else before}]
        patch = getattr(self._apps, f"patch_namespaced_{kind}")
        patch(workload.metadata.name, self._namespace, {"metadata": {"annotations": {_NOTE: json.dumps(undo)}}})
        patch(workload.metadata.name, self._namespace, [{"op": "add", "path": path, "value": value}])

    def _restore(self, kind: str, workload: Any) -> bool:  # noqa: ANN401 - the client's objects
        if not (note := (workload.metadata.annotations or {}).get(_NOTE)):
            return False
        undo = [*json.loads(note), {"op": "remove", "path": f"/metadata/annotations/{_NOTE.replace('/', '~1')}"}]
        getattr(self._apps, f"patch_namespaced_{kind}")(workload.metadata.name, self._namespace, undo)
        return True

    def undo(self) -> None:
        """Undo whatever this drill or a killed one changed, and wait until all is ready; quick where nothing was."""
        self.stopped.clear()
        if [each for each in self._workloads() if self._restore(*each)]:
            self._wait_ready([])  # with the proxy: a Milvus that ends writes to its store
        core, apps, network = self._core, self._apps, self._network
        for delete in (apps.delete_namespaced_deployment, core.delete_namespaced_service, network.delete_namespaced_network_policy):
            gone(delete, _NAME, self._namespace)

    def _wait_ready(self, gone: list[Any]) -> None:
        before = {pod.metadata.uid for pod in gone}

        def is_waiting() -> bool:
            every: list[Any] = self._core.list_namespaced_pod(self._namespace).items
            listed = [pod for pod in every if pod.status.phase != "Failed"]  # as an evicted one stays for ever
            pods = [pod for pod in listed if pod.spec.restart_policy == "Always" and pod.metadata.deletion_timestamp is None]
            ready = sum(any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ()) for pod in pods)
            workloads = [workload for _, workload in self._workloads()]
            is_ready = all(map(_is_ready, workloads)) and ready >= sum(each.spec.replicas or 0 for each in workloads)
            return not self.stopped.is_set() and (bool(before & {pod.metadata.uid for pod in listed}) or not is_ready)

        _wait(is_waiting, f"pods of {self._namespace} are not ready {_READY_S:g} s after the fault", _READY_S)


def _is_ready(workload: Any) -> bool:  # noqa: ANN401 - the client's objects
    """Whether all pods of a Deployment or StatefulSet are there, ready, and as it is declared now."""
    status, wanted = workload.status, workload.spec.replicas or 0
    counted = {status.replicas or 0, status.updated_replicas or 0, status.ready_replicas or 0}
    return status.observed_generation == workload.metadata.generation and counted == {wanted}


def _wait(is_waiting: Callable[[], bool], late: str, seconds: float) -> None:
    try:
        retry(retry=retry_if_result(bool), stop=stop_after_delay(seconds), wait=wait_fixed(0.5))(is_waiting)()
    except RetryError:
        raise InvalidRunError(f"{late}; see: ./rag status ENV") from None
