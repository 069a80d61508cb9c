"""Processes of Milvus as the chart wants them: one, or five components with replicas, resources, places and autoscaling."""

from collections.abc import Sequence
from typing import Any

from components.flows import MILVUS_PORT
from components.milvus_values.shape import MilvusShape, MilvusStore, Standalone, Workload
from components.pods import from_secret, gib

DATA_DIRECTORY = "/var/lib/milvus"
SELECTOR = {"app.kubernetes.io/name": "milvus", "app.kubernetes.io/instance": "milvus"}
_ROOT_PASSWORD = "COMMON_SECURITY_DEFAULTROOTPASSWORD"  # noqa: S105  the name of a variable
_AUTOSCALED = -1  # the chart leaves `replicas` out for it, so that the autoscaler is not overruled by the next `pulumi up`


def workload_values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Values of the processes."""
    keys = _environment(shape, store)
    # for the process that makes the first user; Milvus before 2.5 does not know it, see `components.milvus_access`
    root = shape.security.root_secret_name
    first_keys = [*keys, from_secret(_ROOT_PASSWORD, root, "password")] if root is not None else keys
    if isinstance(shape.size, Standalone):
        return {"cluster": {"enabled": False}, "standalone": _standalone(shape, shape.size, first_keys)}
    size = shape.size
    # one constraint for all components: `matchLabelKeys` (Kubernetes 1.27) makes each of them count its own pods only
    counted = {"labelSelector": {"matchLabels": SELECTOR}, "matchLabelKeys": ["component", "pod-template-hash"]}
    spread = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule" if size.spread_strictly else "ScheduleAnyway", **counted}
    return {
        "cluster": {"enabled": True},
        "topologySpreadConstraints": [{"topologyKey": label, **spread} for label in size.spread_over],
        "proxy": _component(size.proxy, keys),
        "mixCoordinator": {**_component(size.mix_coordinator, first_keys), "activeStandby": {"enabled": size.active_standby}},
        "queryNode": {**_component(size.query_node, keys), "disk": _disk(size.query_node, needed=shape.tuning.disk_index)},
        "dataNode": _component(size.data_node, keys),
        "streamingNode": _component(size.streaming_node, keys),
        "indexNode": {"enabled": False},
    }


def _standalone(shape: MilvusShape, size: Standalone, keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    claim: dict[str, Any] = {"size": gib(size.storage_gib), "accessModes": "ReadWriteOnce"}
    if size.storage_class is not None:
        claim["storageClass"] = size.storage_class
    alone = [{"name": "DEPLOY_MODE", "value": "STANDALONE"}] if shape.etcd.kind == "embedded" else []  # else that etcd refuses to start
    return {
        "messageQueue": shape.wal.kind,
        "resources": _resources(size.process),
        "extraEnv": [*keys, *alone],
        **_place(size.process),
        "disk": _disk(size.process, needed=False),  # else the chart lays the node's disk over the caches on the volume
        "persistence": {"enabled": True, "mountPath": DATA_DIRECTORY, "persistentVolumeClaim": claim},
    }


def _component(workload: Workload, environment: Sequence[dict[str, Any]]) -> dict[str, Any]:
    replicas: dict[str, Any] = {"replicas": workload.replicas}
    if (scaling := workload.autoscaling) is not None:
        memory = {"memoryUtilization": scaling.memory_percent} if scaling.memory_percent is not None else {}
        limits = {"minReplicas": workload.replicas, "maxReplicas": scaling.most_replicas}
        replicas = {"replicas": _AUTOSCALED, "hpa": {"enabled": True, **limits, "cpuUtilization": scaling.cpu_percent, **memory}}
    runtime = {"runtimeClassName": workload.runtime_class} if workload.runtime_class is not None else {}
    return {**replicas, "resources": _resources(workload), "extraEnv": list(environment), **_place(workload), **runtime}


def _resources(workload: Workload) -> dict[str, Any]:
    """GPUs and the node's disk are requested and limited alike: neither is lent."""
    manifest = workload.resources.manifest()
    both: dict[str, str] = {}
    if workload.ephemeral_storage_gib is not None:
        both["ephemeral-storage"] = gib(workload.ephemeral_storage_gib)
    if workload.gpus:
        both["nvidia.com/gpu"] = str(workload.gpus)
    return {group: {**amounts, **both} for group, amounts in manifest.items()}


def _place(workload: Workload) -> dict[str, Any]:
    place = {"nodeSelector": dict(workload.node_selector), "tolerations": [each.manifest() for each in workload.tolerations]}
    return {name: value for name, value in place.items() if value}


def _disk(workload: Workload, *, needed: bool) -> dict[str, Any]:
    """The values say how much of the disk is Milvus's own, since it would count the whole disk of the node."""
    sized = workload.ephemeral_storage_gib is not None
    return {"enabled": needed or sized, "size": {"enabled": sized}}


def _environment(shape: MilvusShape, store: MilvusStore) -> list[dict[str, Any]]:
    """Keys and passwords by reference only: the chart would write them in clear text into a ConfigMap.

    Both ports are set, since a Service called minio or proxy in the namespace puts an address into that variable: Milvus would not reach
    its store, or be ready and listen on any port but its own.
    """
    keys = {"MINIO_ACCESS_KEY_ID": "access_key", "MINIO_SECRET_ACCESS_KEY": "secret_key"}
    environment = [from_secret(name, store.secret_name, key) for name, key in keys.items()]
    environment += [{"name": "MINIO_PORT", "value": store.port}, {"name": "PROXY_PORT", "value": str(MILVUS_PORT)}]
    kafka, pulsar = shape.wal.kafka, shape.wal.pulsar
    logins = {"ETCD_AUTH": shape.etcd.login_secret, "KAFKA_SASL": kafka.login_secret if kafka is not None else None}
    for prefix, secret in logins.items():
        if secret is not None:
            environment += [from_secret(f"{prefix}_{word.upper()}", secret, word) for word in ("username", "password")]
    if pulsar is not None and pulsar.token_secret is not None:
        token = from_secret("PULSAR_TOKEN", pulsar.token_secret, "token")
        environment += [token, {"name": "PULSAR_AUTHPARAMS", "value": "token:$(PULSAR_TOKEN)"}]
    return environment
