"""Whether the images of Milvus are of a version and a kind that can do what is asked for. Pure."""

import re
from collections.abc import Iterator

from components import milvus_index
from stacks.settings.images import ImageSettings
from stacks.settings.milvus import MilvusSettings

_VERSION = re.compile(r":(?:[-\w.]*?[^\d.])?(\d+)\.(\d+)\.(\d+)")
_WOODPECKER = (2, 6, 0)
_TIERED = (2, 6, 4)
_CLUSTER = (2, 6, 0)

_BYPASSES = {
    "CVE-2025-64513": (
        ((2, 4, 24), (2, 5, 21), (2, 6, 5)),
        "a request on port 19530 that claims to come from inside is not asked who it is",
    ),
    "CVE-2026-26190": (((2, 5, 27), (2, 6, 10)), "the REST interface on port 9091 asks nobody who they are"),
}
_BITNAMI = re.compile(r"(^|/)(milvusdb|bitnami[a-z]*)/|:[^/@]*-r\d+(@|$)")
"""By the organisation, or by the revision that Bitnami puts behind its tags, which survives a mirror."""

Version = tuple[int, int, int]


def version(reference: str) -> Version | None:
    """Version of Milvus by the tag of its image; None for a tag without one, or a bare digest."""
    found = _VERSION.search(reference.partition("@")[0].rpartition("/")[2])
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def problems(milvus: MilvusSettings, images: ImageSettings, *, pinned: bool) -> list[str]:
    """Every reason; empty when they fit. With `pinned`, what the chart would choose by itself must be named, to be found in the lock."""
    return [*_problems(milvus, images), *(_unnamed(milvus, images) if pinned else ())]


def _unnamed(milvus: MilvusSettings, images: ImageSettings) -> Iterator[str]:
    why = "images_pinned=required, and the chart's own choice has no digest"
    if milvus.etcd == "bundled" and images.etcd is None:
        yield f"milvus.etcd=bundled without images.etcd: {why}"


def _problems(milvus: MilvusSettings, images: ImageSettings) -> Iterator[str]:
    is_version = version(images.milvus)
    if reason := milvus_index.problem(milvus.index.index, is_version):
        yield reason
    if (milvus.index.profile == milvus_index.GPU) != ("gpu" in images.milvus.partition("@")[0].rpartition(":")[2]):
        yield f"index.profile={milvus.index.profile} and images.milvus={images.milvus!r}: a GPU index, and it alone, needs an image -gpu"
    if is_version is not None:
        yield from _too_old(milvus, is_version)
        yield from _bypassed(milvus, is_version)
    if milvus.etcd == "bundled" and images.etcd is not None and not _BITNAMI.search(images.etcd):
        yield (
            f"images.etcd={images.etcd!r} is not built by Bitnami: the chart starts and probes etcd by Bitnami's scripts, and it would "
            "never be ready; take milvusdb/etcd:3.5.25-r1, or milvus.etcd=external"
        )


def _bypassed(milvus: MilvusSettings, running: Version) -> Iterator[str]:
    if not milvus.authentication or milvus.accept_authentication_bypass is not None:
        return
    for name, (fixes, what) in _BYPASSES.items():
        first = next((fix for fix in fixes if fix[:2] == running[:2]), fixes[-1])
        if running < first:
            yield (
                f"Milvus {'.'.join(map(str, running))} has {name}: {what}, so milvus.authentication would protect nothing; fixed in "
                f"{', '.join('.'.join(map(str, fix)) for fix in fixes)}. Set images.milvus to one of these or a newer one"
            )


def _too_old(milvus: MilvusSettings, found: Version) -> Iterator[str]:
    known = ".".join(map(str, found))
    if milvus.wal == "woodpecker" and found < _WOODPECKER:
        yield f"milvus.wal=woodpecker needs Milvus 2.6 or newer, the image is {known}"
    if milvus.tiered_storage and found < _TIERED:
        yield f"milvus.tiered_storage needs Milvus 2.6.4 or newer, the image is {known}"
    if milvus.mode == "cluster" and found < _CLUSTER:
        yield f"milvus.mode=cluster needs Milvus 2.6 or newer, the image is {known}: its streaming nodes and one coordinator"
