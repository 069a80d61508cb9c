"""What a running Milvus stands on, and only a migration can change: log, metadata, bucket, root path, mode, and the step of its version.

Owns nothing but the memory of what was installed last, in Pulumi's state. Its check runs in every preview, before Helm sees anything, and
refuses with the reason; `migration` is the operator's word that the data were moved. Steps of versions are those of Milvus's manual.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi import dynamic

from components.dynamic_provider import Provider, inputs_of

_WHY = {
    "wal": "what was acknowledged and not yet flushed is in the old log, and would be lost",
    "etcd": "the metadata are in the old etcd: Milvus would start empty, and delete every object that it does not know",
    "bucket": "metadata name objects that are not in the new bucket: every collection would fail to load",
    "root_path": "metadata name objects that are not below the new root path: every collection would fail to load",
    "mode": "a standalone and a cluster keep log and metadata in different places",
}
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
UPGRADES = yaml.safe_load(Path(__file__).with_name("milvus_upgrades.yaml").read_text(encoding="utf-8"))


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
    before, after = numbers(old), numbers(new)
    if not before or not after:
        return
    if after[:2] < before[:2]:
        yield f"Milvus cannot go back from {old} to {new}: the older one does not read the newer one's metadata; restore a backup instead"
    for row in UPGRADES["ahead"]:
        if "least" in row and before < numbers(row["least"]) and after >= numbers(row["minor"]):
            yield f"from {old} to {new} in one step is not supported: first {row['before']}, then {row['minor']}"
            return


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, such as 2.6.15 or 2.6; none where it is something else."""
    return tuple(map(int, version.split("."))) if _VERSION.fullmatch(version) else ()


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
