"""What a running Milvus stands on, and only a migration can change: log, metadata, bucket, root path, mode, and the step of its version.

Owns nothing but the memory of what was installed last, in Pulumi's state. Its check runs in every preview, before Helm sees anything, and
refuses with the reason; `migration` is the operator's word that the data were moved. Steps of versions are those of Milvus's manual.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import Provider, inputs_of

_WHY = {
    "wal": "what was acknowledged and not yet flushed is in the old log, and would be lost",
    "etcd": "the metadata are in the old etcd: Milvus would start empty, and delete every object that it does not know",
    "bucket": "metadata name objects that are not in the new bucket: every collection would fail to load",
    "root_path": "metadata name objects that are not below the new root path: every collection would fail to load",
    "mode": "a standalone and a cluster keep log and metadata in different places",
}
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_BEFORE_2_6, _BEFORE_3 = (2, 5, 16), (2, 6, 20)


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What Milvus stands on."""

    wal: str
    etcd: str
    bucket: str
    root_path: str
    mode: str
    version: str  # by the tag of the image, such as 2.6.15; "" where it tells none
    migration: int  # a higher number says that the data were moved


def problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Why this change cannot be made in place; empty for the first installation."""
    if not old or int(new["migration"]) > int(old["migration"]):
        return []
    moved = [(name, old[name], new[name]) for name in _WHY if old[name] != new[name]]
    reasons = [f"{name} cannot change from {was!r} to {now!r} under a running Milvus: {_WHY[name]}" for name, was, now in moved]
    return [*reasons, *_steps(str(old["version"]), str(new["version"]))]


def _steps(old: str, new: str) -> Iterator[str]:
    before, after = _numbers(old), _numbers(new)
    if before is None or after is None:
        return
    if after[:2] < before[:2]:
        yield f"Milvus cannot go back from {old} to {new}: the older one does not read the newer one's metadata; restore a backup instead"
    elif before < _BEFORE_2_6 and after >= (2, 6, 0):
        yield f"from {old} to {new} in one step is not supported: first 2.5.16 or a newer 2.5, with one coordinator, then 2.6"
    elif before < _BEFORE_3 and after >= (3, 0, 0):
        yield f"from {old} to {new} in one step is not supported: first 2.6.20 or a newer 2.6, then 3.0"


def _numbers(version: str) -> tuple[int, int, int] | None:
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


class FoundationProvider(Provider):
    """Inputs: the fields of Foundation."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Refuse what only a migration can change."""
        move = "put the old value back, or move the data yourself (milvus-backup into a new environment) and then say so"
        cure = f"Cure: {move}: pulumi config set --path {self.settings}.migration NUMBER, one higher than before"
        reasons = problems(inputs_of(_olds), inputs_of(news))
        return dynamic.CheckResult(news, [dynamic.CheckFailure("milvus", f"{reason}. {cure}") for reason in reasons])

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Record what is installed."""
        return dynamic.CreateResult("milvus", inputs_of(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Record what is installed now."""
        return dynamic.UpdateResult(inputs_of(_news))


class MilvusFoundation(dynamic.Resource, module="milvus", name="Foundation"):
    """What Milvus stands on."""

    def __init__(self, name: str, *, foundation: Foundation, settings: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(FoundationProvider(settings), name, dict(vars(foundation)), opts)
