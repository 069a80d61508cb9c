"""Writes that others must see or must lose: `If-None-Match: *` as the Woodpecker write-ahead log asks it, and reads right after a write.

Answers to the header are told apart by what is stored afterwards, never by a status alone:
    strict    the second write is refused with 412: one writer owns a log, Woodpecker works as it is
    ignored   the second write succeeds: only a lock in etcd keeps two writers apart, which is weaker
    rejected  the header itself is refused: Woodpecker cannot write its fence, not even without conditional writes
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.options import Wal
from validation.checks.storage.store import Store, answered, code, status
from validation.run.record import Facts

_FENCE = b"F"
_FENCE_METADATA = {"woodpecker-fence": "true"}
_WRITERS = 8
_RACES = 10
_REFUSED = 412
_CONFLICT = 409
"""AWS answers a loser of a race with 409 ConditionalRequestConflict or 412; either way it did not win."""


class Answer(StrEnum):
    """How the store treats the header."""

    STRICT = "strict"
    IGNORED = "ignored"
    REJECTED = "rejected"


_FITS = {
    Answer.STRICT: ("woodpecker", "milvus.condition_write: auto"),
    Answer.IGNORED: ("woodpecker-unconditional", "milvus.condition_write: disable"),
    Answer.REJECTED: ("pulsar or kafka", "milvus.wal: pulsar or kafka, since woodpecker cannot work on this store"),
}
_WORKS_WITH = {
    Answer.STRICT: set(Wal),
    Answer.IGNORED: set(Wal) - {Wal.WOODPECKER},
    Answer.REJECTED: set(Wal) - {Wal.WOODPECKER, Wal.WOODPECKER_UNCONDITIONAL},
}


@STORE.check("conditional_write", "Does a conditional write let exactly one writer win, and which write-ahead log fits?", after="isolation")
def conditional_write(run: StoreContext, _facts: Facts) -> None:
    """Add how the store answers, and whether the planned log can live with it."""
    answer, seen = _ask(run)
    if answer is Answer.STRICT:
        answer, seen = _race(run, seen)
    fitting, setting = _FITS[answer]
    run.record.wal = {"conditional_write": answer, "fits": fitting, "setting": setting, "planned": run.aim.wal}
    _judge(run, answer, seen)


def _judge(run: StoreContext, answer: Answer, seen: str) -> None:
    planned, (fitting, setting) = run.aim.wal, _FITS[answer]
    if planned not in _WORKS_WITH[answer]:
        consequence = (
            "Milvus would end at its start (CheckIfConditionWriteSupport failed), or two writers would mix one log"
            if planned is Wal.WOODPECKER
            else "its fence is written with If-None-Match all the same (milvus issue 49139): a log could not be taken over"
        )
        cure = f"{setting} (--wal {fitting})"
        run.record.fail("conditional_write", f"{answer}: {seen}; planned is {planned}", consequence, cure)
    elif planned is Wal.WOODPECKER_UNCONDITIONAL:
        weaker = "two writers are kept apart by a lock in etcd alone, and fail-over waits up to 10 s for its session to end"
        better = "milvus.wal: woodpecker, since the store can" if answer is Answer.STRICT else "a store with strict conditional writes"
        run.record.warn("conditional_write", f"{answer}: {seen}", weaker, better)
    else:
        needed = "" if planned is Wal.WOODPECKER else f"; {planned} does not need it"
        run.record.ok("conditional_write", f"{answer}: {seen}{needed}")


def _ask(run: StoreContext) -> tuple[Answer, str]:
    """The six steps, in Woodpecker's order; the first that differs decides."""
    data, fence = run.written.key("conditional/data"), run.written.key("conditional/fence")
    if refusal := _write(run, data, b"one"):  # 1: a new key
        return Answer.REJECTED, f"a first write with If-None-Match: * is refused: {answered(refusal)}"
    second = _write(run, data, b"two")  # 2: the same key again
    if second is None or run.get(data) != b"one":
        return Answer.IGNORED, _kept(run, data, "a second write with If-None-Match: *")
    if status(second) != _REFUSED:
        return Answer.REJECTED, f"a second write with If-None-Match: * is refused with {answered(second)}, not with 412"
    if _is_fence(run, data):
        return Answer.REJECTED, "HEAD of a key that was written without metadata shows some"
    if _write(run, data, _FENCE, _FENCE_METADATA) is None:  # 3: a fence on a key that is taken
        return Answer.IGNORED, _kept(run, data, "a fence on a taken key")
    return _fence(run, fence)


def _fence(run: StoreContext, fence: str) -> tuple[Answer, str]:
    if refusal := _write(run, fence, _FENCE, _FENCE_METADATA):  # 4: a fence on a new key
        return Answer.REJECTED, f"a fence, one byte with metadata, is refused on a new key: {answered(refusal)}"
    if _write(run, fence, b"late") is None:  # 5: a late writer meets the fence
        return Answer.IGNORED, _kept(run, fence, "a write on a fenced key")
    if not _is_fence(run, fence):
        return Answer.REJECTED, "HEAD does not give back the metadata of a fence, so a late writer cannot tell that it is fenced"
    if _write(run, fence, _FENCE, _FENCE_METADATA) is None:  # 6: fencing twice
        return Answer.IGNORED, _kept(run, fence, "a second fence")
    return Answer.STRICT, "each of the six steps is answered as Woodpecker needs it (412)"


def _write(run: StoreContext, key: str, body: bytes, metadata: dict[str, str] | None = None) -> ClientError | None:
    """Write if the key is free; return the refusal."""
    try:
        run.store.ask(lambda s3: s3.put_object(Bucket=run.aim.bucket, Key=key, Body=body, IfNoneMatch="*", Metadata=metadata or {}))
    except ClientError as error:
        return error
    return None


def _is_fence(run: StoreContext, key: str) -> bool:
    metadata = run.store.ask(lambda s3: s3.head_object(Bucket=run.aim.bucket, Key=key))["Metadata"]
    return metadata.get("woodpecker-fence") == "true"


def _kept(run: StoreContext, key: str, what: str) -> str:
    return f"{what} succeeds, and the key then holds {run.get(key)!r}"


def _race(run: StoreContext, seen: str) -> tuple[Answer, str]:
    """Let writers run for one key, again and again: one must win, and its bytes must be there."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        for number in range(_RACES):
            key = run.written.key(f"race/{number}")
            bodies = [f"{number}/{writer}".encode() for writer in range(_WRITERS)]
            refusals = list(pool.map(lambda body, key=key: _write(run, key, body), bodies))
            won = [body for body, refusal in zip(bodies, refusals, strict=True) if refusal is None]
            odd = [refusal for refusal in refusals if refusal is not None and status(refusal) not in {_REFUSED, _CONFLICT}]
            if odd:
                return Answer.REJECTED, f"in a race of {_WRITERS} writers one was answered {answered(odd[0])}, not 412"
            if len(won) != 1 or run.get(key) != won[0]:
                return Answer.IGNORED, f"in a race of {_WRITERS} writers for one key {len(won)} won ({', '.join(map(repr, won))})"
    return Answer.STRICT, f"{seen}; one of {_WRITERS} writers won each of {_RACES} races"


_ROUNDS = 20


@STORE.check("consistency", "Is what was written, overwritten or deleted seen at once, by reads and by lists?", after="conditional_write")
def consistency(run: StoreContext, _facts: Facts) -> None:
    """Add how many of the observations were stale."""
    reader, stale = run.store.in_style(run.aim.style), Counter[str]()
    for number in range(_ROUNDS):
        stale.update(kind for kind, is_stale in _round(run, reader, f"consistency/{number}").items() if is_stale)
    if stale:
        seen = "stale: " + ", ".join(f"{kind} {times} of {_ROUNDS}" for kind, times in stale.items())
        consequence = "Milvus reads back what it has just written: it would miss segments or see deleted ones"
        cure = "switch caching on the way off, or use a store with strong read-after-write consistency"
        run.record.fail("consistency", seen, consequence, cure)
    else:
        run.record.ok("consistency", f"{_ROUNDS} rounds of write, overwrite and delete were seen at once by read and list")


def _round(run: StoreContext, reader: Store, name: str) -> dict[str, bool]:
    """Write, overwrite and delete one object, over a second connection pool, so that one node's memory is not enough to see it."""
    bucket, key, prefix = reader.bucket, run.written.key(name), f"{run.written.prefix}consistency/"

    def read() -> bytes | None:
        try:
            return reader.ask(lambda s3: s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if code(error) == "NoSuchKey":
                return None
            raise

    def is_listed() -> bool:
        listed = reader.ask(lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix))
        return key in {item.get("Key") for item in listed.get("Contents", [])}

    run.put(name, b"old")
    stale = {"read after write": read() != b"old", "list after write": not is_listed()}
    run.put(name, b"new")
    stale["read after overwrite"] = read() != b"new"
    run.store.ask(lambda s3: s3.delete_object(Bucket=bucket, Key=key))
    return stale | {"read after delete": read() is not None, "list after delete": is_listed()}
