"""Whether the images of Milvus are of a version and a kind that can do what is asked for. Pure."""

import re
from collections.abc import Iterator

from components import milvus_index
from stacks.problems import PROJECT, Reason
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
    if milvus.etcd == "bundled" and images.etcd is None:
        yield (
            "images.etcd is missing with milvus.etcd=bundled: images_pinned=required, and the chart's own choice has no digest. "
            f"Cure: pulumi config set --path {PROJECT}:images.etcd IMAGE"
        )


def _problems(milvus: MilvusSettings, images: ImageSettings) -> Iterator[str]:
    is_version = version(images.milvus)
    if reason := milvus_index.problem(milvus.index.index, is_version):
        yield reason
    if (milvus.index.profile == milvus_index.GPU) != ("gpu" in images.milvus.partition("@")[0].rpartition(":")[2]):
        suffix = "-gpu" if milvus.index.profile == milvus_index.GPU else " (one without -gpu)"
        yield (
            f"images.milvus={images.milvus!r} and milvus.index.profile={milvus.index.profile}: a GPU index, and it alone, needs an image "
            f"-gpu. Cure: pulumi config set --path {PROJECT}:images.milvus IMAGE{suffix}"
        )
    if is_version is not None:
        yield from _too_old(milvus, is_version)
        yield from _bypassed(milvus, is_version)
    if milvus.etcd == "bundled" and images.etcd is not None and not _BITNAMI.search(images.etcd):
        yield (
            f"images.etcd={images.etcd!r} is not built by Bitnami: the chart starts and probes etcd by Bitnami's scripts, and it would "
            f"never be ready. Cure: pulumi config set --path {PROJECT}:images.etcd milvusdb/etcd:3.5.25-r1, or milvus.etcd external"
        )


def _bypassed(milvus: MilvusSettings, running: Version) -> Iterator[str]:
    known = [name for name, (fixes, _) in _BYPASSES.items() if running < _fixed_in(running, fixes)]
    if not known and milvus.accept_authentication_bypass is not None:
        yield Reason(
            f"milvus.accept_authentication_bypass would be ignored: no way around the authentication of Milvus {_text(running)} is known. "
            f"Cure: pulumi config rm --path {PROJECT}:milvus.accept_authentication_bypass",
            code="settings.unused",
        )
    for name in known if milvus.authentication and milvus.accept_authentication_bypass is None else ():
        fixes, what = _BYPASSES[name]
        yield (
            f"images.milvus is {_text(running)}, which has {name}: {what}, so milvus.authentication would protect nothing. Cure: "
            f"pulumi config set --path {PROJECT}:images.milvus IMAGE, of {', '.join(map(_text, fixes))} or newer"
        )


def _fixed_in(running: Version, fixes: tuple[Version, ...]) -> Version:
    return next((fix for fix in fixes if fix[:2] == running[:2]), fixes[-1])


def _text(found: Version) -> str:
    return ".".join(map(str, found))


def _too_old(milvus: MilvusSettings, found: Version) -> Iterator[str]:
    known = _text(found)
    cure = f"Cure: pulumi config set --path {PROJECT}:images.milvus IMAGE"
    if milvus.wal == "woodpecker" and found < _WOODPECKER:
        yield f"milvus.wal=woodpecker needs Milvus 2.6 or newer, the image is {known}. {cure}"
    if milvus.tiered_storage and found < _TIERED:
        yield f"milvus.tiered_storage needs Milvus 2.6.4 or newer, the image is {known}. {cure}"
    if milvus.mode == "cluster" and found < _CLUSTER:
        yield f"milvus.mode=cluster needs Milvus 2.6 or newer, the image is {known}: its streaming nodes and one coordinator. {cure}"
