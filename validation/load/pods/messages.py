"""What the gate and its generators in pods exchange: arrays as numpy's own files, all else as JSON.

A generator gets no key of the store. Its order names four objects by presigned addresses: the share and the start that it reads, the
status and the result that it writes. Passwords are in none of them: the pod mounts the Secret.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from validation.judge.profile import Search
from validation.load.open_loop import Shot
from validation.load.workers import Share

VERSION = 2
"""Raised with every change of these messages: an image of another version is refused instead of misunderstood."""
_NOTHING = -1


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Order(_Message):
    """All that one generator must know."""

    version: int = VERSION
    uri: str
    """Milvus, by the name of its Service."""
    database: str
    collection: str
    limit: int
    search: Search
    share_url: str
    start_url: str
    status_url: str
    result_url: str


class Start(_Message):
    """When all generators begin; written once all of them are ready."""

    at_s: float
    """Seconds since the epoch."""


class Status(_Message):
    """What a generator says of itself; it appears once it is ready."""

    state: Literal["ready", "failed"] = "ready"
    reason: str = ""
    done: int = 0
    """Requests sent."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a share: every request, and what the generator knows of itself."""

    shots: Sequence[Shot]
    """In seconds from the common start."""
    histogram: str
    """Latencies, failed requests as slow as the time-out, in HdrHistogram's own form."""
    delays: str
    """How late requests left, in the same form."""
    throttled_s: float | None
    """How long the pod was kept from its CPU by a limit meanwhile; None where the node does not say."""
    clock_ahead_s: tuple[float, float]
    """Between these two the pod's clock is ahead of the store's."""
    stepped_s: float
    """By how much the wall clock was set meanwhile."""


def pack_share(share: Share) -> bytes:
    """As one object."""
    numbers = np.asarray(share.numbers, dtype=np.int64)
    due_s, vectors = np.asarray(share.due_s, dtype=np.float64), np.asarray(share.vectors, dtype=np.float32)
    return _pack({"numbers": numbers, "due_s": due_s, "vectors": vectors}, {"expressions": list(share.expressions)})


def unpack_share(body: bytes) -> Share:
    """Inverse of pack_share."""
    arrays, plain = _unpack(body)
    return Share(
        numbers=arrays["numbers"].tolist(), vectors=arrays["vectors"], expressions=plain["expressions"], due_s=arrays["due_s"].tolist()
    )


def pack_result(result: Result) -> bytes:
    """As one object; lists of ids that are shorter than the longest are filled up."""
    width = max((len(shot.ids) for shot in result.shots), default=0)
    ids = np.full((len(result.shots), width), _NOTHING, dtype=np.int64)
    for row, shot in zip(ids, result.shots, strict=True):
        row[: len(shot.ids)] = shot.ids
    arrays = {
        "numbers": np.array([shot.number for shot in result.shots], dtype=np.int64),
        "times_s": np.array([(shot.planned_s, shot.sent_s, shot.ended_s) for shot in result.shots], dtype=np.float64),
        "found": np.array([len(shot.ids) for shot in result.shots], dtype=np.int64),
        "ids": ids,
    }
    plain = {name: value for name, value in vars(result).items() if name != "shots"}
    return _pack(arrays, plain | {"errors": [shot.error for shot in result.shots]})


def unpack_result(body: bytes) -> Result:
    """Inverse of pack_result."""
    arrays, plain = _unpack(body)
    parts = (arrays["numbers"].tolist(), arrays["times_s"].tolist(), arrays["found"].tolist(), arrays["ids"].tolist(), plain.pop("errors"))
    shots = [
        Shot(number=number, planned_s=planned, sent_s=sent, ended_s=ended, ids=ids[:found], error=error)
        for number, (planned, sent, ended), found, ids, error in zip(*parts, strict=True)
    ]
    return Result(shots=shots, **plain | {"clock_ahead_s": tuple(plain["clock_ahead_s"])})


def _pack(arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, plain=np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]  # names are ours
    return packed.getvalue()


def _unpack(body: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with np.load(io.BytesIO(body), allow_pickle=False) as packed:
        arrays = dict(packed)
    return arrays, json.loads(arrays.pop("plain").tobytes())
