"""Whether the new key is in use and the old one is not: the evidence before anything is revoked.

The store's access log is the best there is: it says which key Milvus signs with, and whether anybody still signs with the old one. Where
a store gives no log, the pods are what is left: all of them ready with the new key, none of the old ones there. Each says which it was.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stacks import milvus_pods
from stacks.access_log import AccessLog, Request

Key = Mapping[str, str]
"""`access_key`, `secret_key` and the random mark `generation` that pods carry."""

_TRIES, _PAUSE_S = 30, 2.0
_QUIET_S = 5.0
"""So long nobody may have signed with the old key; who asks more rarely than that is not seen, and is no pod of Milvus: those are new."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen, for the operator and the report; `problem` is empty when the old key may go."""

    kind: str
    text: str = ""
    problem: str = ""


def evidence(namespace: str, new: Key, old: Key | None, log_file: Path | None) -> Evidence:
    """Wait until it is there, or say what is missing."""
    kind = "pods" if log_file is None else "access log"
    if problem := _awaited(lambda: _pods_without(namespace, new)):
        return Evidence(kind=kind, problem=problem)
    pods = milvus_pods.addresses(milvus_pods.listed(namespace))
    ready = f"all {len(pods)} pods of Milvus are ready with the new key and none is left with the old one"
    if log_file is None:
        return Evidence(kind=kind, text=f"{ready}; no access log of the store is at hand, so this is all there is")
    log = AccessLog(log_file)
    if problem := _awaited(
        lambda: "" if _signed(log, new) else "the store's access log shows no request of Milvus signed with the new key"
    ):
        return Evidence(kind=kind, problem=problem)
    if old is not None and (still := _users_of(log, old)):
        return Evidence(kind=kind, problem=f"the old key is still in use: within {_QUIET_S:g} s it came from {still}")
    return Evidence(kind=kind, text=f"{ready}; the store logged {_told(_signed(log, new), pods)}")


def refused(log: AccessLog, since: int, bucket: str) -> list[Request]:
    """What the store refused to Milvus since a mark: whoever asked for its bucket, besides the blueprint's own trials."""
    return [one for one in log.requests(since) if one.refused and one.bucket == bucket and not one.ours]


def _pods_without(namespace: str, key: Key) -> str:
    behind = milvus_pods.behind(milvus_pods.listed(namespace), key["generation"])
    return f"pods without the new key: {', '.join(behind)}" if behind else ""


def _signed(log: AccessLog, key: Key) -> list[Request]:
    return [one for one in log.requests() if one.key == key["access_key"] and not one.ours and not one.refused]


def _users_of(log: AccessLog, key: Key) -> str:
    """Addresses that sign with it during the next seconds, "" for none."""
    mark = log.mark()
    time.sleep(_QUIET_S)
    return ", ".join(sorted({one.address for one in log.requests(mark) if one.key == key["access_key"]}))


def _told(requests: list[Request], pods: Mapping[str, str]) -> str:
    origins = sorted({pods.get(one.address, one.address) for one in requests})
    return f"{len(requests)} requests of {', '.join(origins)} signed with the new key, and none signed with the old one for {_QUIET_S:g} s"


def _awaited(problem: Callable[[], str]) -> str:
    """Ask again until there is no problem; the last one when it does not go."""
    for _ in range(_TRIES):
        if not problem():
            return ""
        time.sleep(_PAUSE_S)
    return problem()
