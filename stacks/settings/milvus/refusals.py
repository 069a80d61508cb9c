"""Settings of Milvus that are well spelt and cannot work, or not with this version of it: each with the reason. Pure.

Found before Helm sees anything, since most of them show themselves late: as a pod that never starts, or as data that is gone.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components import milvus_index
from stacks.problems import PROJECT, Reason, reason
from stacks.settings.names import TABLES
from stacks.settings.platform import ImageSettings

if TYPE_CHECKING:
    from stacks.settings.milvus import MilvusSettings

_MOST_COORDINATORS = 3
_MAPPED = ("mmap", "tiered_storage")
_VERSION = re.compile(r":(?:[-\w.]*?[^\d.])?(\d+)\.(\d+)\.(\d+)")
_BITNAMI = re.compile(r"(^|/)(milvusdb|bitnami[a-z]*)/|:[^/@]*-r\d+(@|$)")
"""By the organisation, or by the revision that Bitnami puts behind its tags, which survives a mirror."""
Version = tuple[int, int, int]


def problems(settings: "MilvusSettings") -> list[str]:
    """Every reason; empty when they fit together."""
    checks = (_access, _log, _metadata, _replicas, _disk, _gpu)
    return [each for check in checks for each in check(settings)]


def _access(given: "MilvusSettings") -> Iterator[str]:
    if given.service.type != "ClusterIP" and not given.authentication:
        yield f"service.type={given.service.type} without authentication: whoever reaches the address reads and deletes everything"
    if given.accept_authentication_bypass is not None and not given.authentication:
        yield "accept_authentication_bypass would be ignored: there is no authentication to pass by"
    others = TABLES["only"]["cluster" if given.mode == "standalone" else "standalone"]
    if wrong := [name for name in others if name in given.model_fields_set]:
        yield f"{', '.join(wrong)} would be ignored with mode={given.mode}"


def _log(given: "MilvusSettings") -> Iterator[str]:
    if given.wal == "rocksmq" and given.mode == "cluster":
        yield "wal=rocksmq is a file of one process, and a cluster has many: choose woodpecker, pulsar or kafka"
    for name, broker in TABLES["brokers"].items():
        if given.wal == name and getattr(given, name) is None:
            yield reason("broker_missing", name=name, **broker)
        if given.wal != name and getattr(given, name) is not None:
            yield f"{name} would be ignored with wal={given.wal}"
    if given.condition_write != "auto" and given.wal != "woodpecker":
        yield f"condition_write would be ignored with wal={given.wal}: it is the fence of woodpecker"


def _metadata(given: "MilvusSettings") -> Iterator[str]:
    if given.etcd == "embedded" and given.mode == "cluster":
        yield "etcd=embedded lives inside one process, and a cluster has many: choose bundled or external"
    if given.etcd == "external" and not given.etcd_cluster.endpoints:
        yield "etcd=external needs etcd_cluster.endpoints"
    if given.etcd != "external" and given.etcd_cluster.endpoints:
        yield f"etcd_cluster.endpoints would be ignored with etcd={given.etcd}, and Milvus would start empty on another etcd"
    others = TABLES["only"]["bundled" if given.etcd != "bundled" else "external"]
    if wrong := [name for name in others if name in given.etcd_cluster.model_fields_set]:
        yield f"etcd_cluster: {', '.join(wrong)} would be ignored with etcd={given.etcd}"


def _replicas(given: "MilvusSettings") -> Iterator[str]:
    coordinator = given.mix_coordinator
    if coordinator.replicas > 1 and not coordinator.active_standby:
        yield "mix_coordinator.replicas is more than 1 without active_standby: both would hand out the same time stamps and segments"
    if coordinator.replicas > _MOST_COORDINATORS:
        yield f"mix_coordinator.replicas is {coordinator.replicas}: one works, and the others wait for its end; 2 are enough"
    if given.spread_strictly and not given.spread_over:
        yield "spread_strictly would be ignored: spread_over is empty, so nothing is spread"
    for name in ("proxy", "query_node", "data_node"):
        component = getattr(given, name)
        scaling = component.autoscaling
        if scaling is not None and scaling.most_replicas <= component.replicas:
            yield f"{name}.autoscaling.most_replicas={scaling.most_replicas} leaves nothing to grow above replicas={component.replicas}"
        if scaling is not None and scaling.memory_percent is not None and name != "query_node":
            yield f"{name}.autoscaling.memory_percent would be ignored: the chart scales query nodes alone by memory"


def _disk(given: "MilvusSettings") -> Iterator[str]:
    reserved = given.ephemeral_storage_gib if given.mode == "standalone" else given.query_node.ephemeral_storage_gib
    where = "ephemeral_storage_gib" if given.mode == "standalone" else "query_node.ephemeral_storage_gib"
    why = "the node's disk fills up, and the kubelet ends pods that are not to blame"
    if reserved is None and given.index.profile == "diskann":
        yield f"index.profile=diskann without {where}: {why}"
    if reserved is None and given.mode == "cluster":
        for name in _MAPPED:
            if getattr(given, name):
                yield f"{name} without {where}: {why}"


def _gpu(given: "MilvusSettings") -> Iterator[str]:
    node = given.query_node
    if given.index.profile == "gpu_cagra" and given.mode == "standalone":
        yield "index.profile=gpu_cagra needs mode=cluster: the chart gives GPUs to query nodes"
    if given.index.profile == "gpu_cagra" and given.mode == "cluster" and node.gpus == 0:
        yield "index.profile=gpu_cagra with query_node.gpus=0: the index could be built by nobody"
    if node.gpus and given.index.profile != "gpu_cagra":
        yield f"query_node.gpus={node.gpus} with index.profile={given.index.profile}: the GPUs would stand idle"
    if node.runtime_class is not None and node.gpus == 0:
        yield "query_node.runtime_class without query_node.gpus: the pods would wait for nodes that they do not need"


def version(reference: str) -> Version | None:
    """Version of Milvus by the tag of its image; None for a tag without one, or a bare digest."""
    match = _VERSION.search(reference.partition("@")[0].rpartition("/")[2])
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def of_images(milvus: "MilvusSettings", images: ImageSettings, *, pinned: bool) -> list[str]:
    """Every reason; empty when they fit. With `pinned`, what the chart would choose by itself must be named, to be running in the lock."""
    reasons = list(_of_image(milvus, images))
    if pinned and milvus.etcd == "bundled" and images.etcd is None:
        reasons.append(reason("etcd_without_digest"))
    return reasons


def _of_image(milvus: "MilvusSettings", images: ImageSettings) -> Iterator[str]:
    is_version, profile = version(images.milvus), milvus.index.profile
    oldest = milvus_index.LEAST_VERSIONS.get(profile, (0, 0))
    if profile == milvus_index.GPU and milvus.index.metric == "COSINE":
        yield reason("gpu_metric", profile=profile)
    if is_version is not None and is_version[:2] < oldest:
        yield reason("index_too_new", profile=profile, least=oldest, running=_dotted(is_version))
    if (profile == milvus_index.GPU) != ("gpu" in images.milvus.partition("@")[0].rpartition(":")[2]):
        suffix = "-gpu" if profile == milvus_index.GPU else " (one without -gpu)"
        yield reason("gpu_image", image=images.milvus, profile=profile, suffix=suffix)
    if is_version is not None:
        cure = f"Cure: pulumi config set --path {PROJECT}:images.milvus IMAGE"
        for need in TABLES["needs_version"]:
            if getattr(milvus, need["setting"]) == need["is"] and is_version < tuple(need["least"]):
                yield f"milvus.{need['key']} needs Milvus {need['newer']}, the image is {_dotted(is_version)}{need['why']}. {cure}"
        yield from _bypassed(milvus, is_version)
    if milvus.etcd == "bundled" and images.etcd is not None and not _BITNAMI.search(images.etcd):
        yield reason("etcd_of_another_maker", image=images.etcd)


def _bypassed(milvus: "MilvusSettings", running: Version) -> Iterator[str]:
    fixes = {name: [tuple(fix) for fix in bypass["fixes"]] for name, bypass in TABLES["bypasses"].items()}
    known = [name for name, closed in fixes.items() if running < next((fix for fix in closed if fix[:2] == running[:2]), closed[-1])]
    if not known and milvus.accept_authentication_bypass is not None:
        why = f"no way around the authentication of Milvus {_dotted(running)} is known"
        yield Reason(f"milvus.accept_authentication_bypass would be ignored: {why}", code="settings.unused")
    for name in known if milvus.authentication and milvus.accept_authentication_bypass is None else ():
        what, closed_in = TABLES["bypasses"][name]["what"], ", ".join(map(_dotted, fixes[name]))
        yield reason("login_bypassed", running=_dotted(running), name=name, what=what, fixes=closed_in)


def _dotted(running: Version) -> str:
    return ".".join(map(str, running))
