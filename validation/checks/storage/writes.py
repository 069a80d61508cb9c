"""Writes that others must see or must lose: `If-None-Match: *` as the Woodpecker write-ahead log asks it, reads after a write, what lasts.

Answers to the header are told apart by what is stored afterwards, never by a status alone:
    strict    the second write is refused with 412: one writer owns a log, Woodpecker works as it is
    ignored   the second write succeeds: only a lock in etcd keeps two writers apart, which is weaker
    rejected  the header itself is refused: Woodpecker cannot write its fence, not even without conditional writes
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from botocore.exceptions import ClientError

from validation.checks.storage.aim import Wal
from validation.checks.storage.context import STORE, StoreContext, listed
from validation.checks.storage.permissions import metadata_of
from validation.checks.storage.store import GONE, Store, WrongError, answered, code, is_busy, status
from validation.run.record import Facts

_FENCE = b"F"
_FENCE_METADATA = {"woodpecker-fence": "true"}
_WRITERS = 8
_RACES = 10
_LOOP_S = 8.0  # longest time that races or rounds take; of a slow store fewer are asked
_OLD_S = 2.0  # age from which a key is older than what a store may hold in a memory of its last writes
_MIB = 2**20
_REFUSED = 412
_NOT_FOUND = 404
_CONFLICT = 409  # AWS answers a loser of a race with 409 ConditionalRequestConflict or 412; either way it did not win
_ROUNDS = 20
_LOOKED_AT = 20  # keys of each kind that are read once more, beside the listing that holds all


class Answer(StrEnum):
    """How the store treats the header."""

    STRICT = "strict"
    IGNORED = "ignored"
    REJECTED = "rejected"


_NEITHER = {Wal.WOODPECKER, Wal.WOODPECKER_UNCONDITIONAL}
_FITS: dict[Answer, tuple[str, str, set[Wal]]] = {
    Answer.STRICT: ("woodpecker", "milvus.condition_write: auto", set()),
    Answer.IGNORED: ("woodpecker-unconditional", "milvus.condition_write: disable", {Wal.WOODPECKER}),
    Answer.REJECTED: ("pulsar or kafka", "milvus.wal: pulsar or kafka, since woodpecker cannot work on this store", _NEITHER),
}
"""Which log fits, by which setting, and which ones cannot work."""


@STORE.check(after="isolation")
def conditional_write(run: StoreContext, _facts: Facts) -> None:
    """Does a conditional write let exactly one writer win, and which write-ahead log fits?"""
    answer, seen = _ask(run)
    for question in (_race, _elsewhere):
        if answer is Answer.STRICT:
            answer, seen = question(run, seen)
    planned, (fitting, setting, fails) = run.aim.wal, _FITS[answer]
    run.record.wal = {"conditional_write": answer, "fits": fitting, "setting": setting, "planned": planned}
    if planned in fails:
        key = "conditional_write.woodpecker" if planned is Wal.WOODPECKER else "conditional_write.unconditional"
        run.record.fail(key, f"{answer}: {seen}; planned is {planned}", setting=setting, fitting=fitting)
    elif planned is Wal.WOODPECKER_UNCONDITIONAL:
        better = "milvus.wal: woodpecker, since the store can" if answer is Answer.STRICT else "a store with strict conditional writes"
        run.record.warn("conditional_write.weaker", f"{answer}: {seen}", better=better)
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


def _elsewhere(run: StoreContext, seen: str) -> tuple[Answer, str]:
    """The same header where a store may have forgotten it: large bodies, keys of some age, another connection, a key that was deleted."""
    large, old, other = run.written.key("conditional/large"), run.written.key("conditional/data"), run.store.in_style(run.aim.style)
    if refusal := _write(run, large, b"1" * _MIB):
        return Answer.REJECTED, f"a first write of 1 MiB with If-None-Match: * is refused: {answered(refusal)}"
    time.sleep(_OLD_S)
    refused: tuple[tuple[Callable[[], ClientError | None], str], ...] = (
        (lambda: _write_again(run, large, b"2" * _MIB), "a second write of 1 MiB with If-None-Match: *"),
        (lambda: _write(run, large, b"3", store=other), "a second write over another connection"),
        (lambda: _write(run, old, b"4"), f"a second write on a key that is {_OLD_S:.0f} s old, and older"),
    )
    for attempt, what in refused:
        refusal = attempt()
        if refusal is None:
            return Answer.IGNORED, f"{what} succeeds"
        if status(refusal) != _REFUSED:
            return Answer.REJECTED, f"{what} is refused with {answered(refusal)}, not with 412"
    if run.get(large) != b"1" * _MIB:
        return Answer.IGNORED, "a write that is refused with 412 changes the object all the same"
    run.delete(large)
    if refusal := _write(run, large, b"5"):
        return Answer.REJECTED, f"a write on a key that was deleted is refused: {answered(refusal)}"
    run.written.gone.discard(large)
    return Answer.STRICT, f"{seen}; also with 1 MiB, on a key of {_OLD_S:.0f} s, over another connection and after a delete"


def _write(
    run: StoreContext, key: str, body: bytes, metadata: dict[str, str] | None = None, store: Store | None = None
) -> ClientError | None:
    """Write if the key is free; return the refusal."""
    bucket, given = run.aim.bucket, metadata or {}
    return (store or run.store).refusal(lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", Metadata=given))


def _write_again(run: StoreContext, key: str, body: bytes) -> ClientError | None:
    """Write a large body on a taken key; who refuses unread may close, which a client that sends sees first: then ask without a body."""
    try:
        run.store.s3.put_object(Bucket=run.aim.bucket, Key=key, Body=body, IfNoneMatch="*")
    except GONE:
        return _write(run, key, b"")
    except ClientError as error:
        return _write(run, key, body) if is_busy(error) else error
    return None


def _is_fence(run: StoreContext, key: str) -> bool:
    return metadata_of(run.store.head(key)).get("woodpecker-fence") == "true"


def _kept(run: StoreContext, key: str, what: str) -> str:
    return f"{what} succeeds, and the key then holds {run.get(key)!r}"


def _race(run: StoreContext, seen: str) -> tuple[Answer, str]:
    """Let writers run for one key, again and again: one must win, and its bytes must be there."""
    races, may_go_on = 0, run.within(_LOOP_S)
    with ThreadPoolExecutor(_WRITERS) as pool:
        for number in range(_RACES):
            if races and not may_go_on():
                break
            key = run.written.key(f"race/{number}")
            bodies = [f"{number}/{writer}".encode() for writer in range(_WRITERS)]
            refusals = list(pool.map(lambda body, key=key: _write(run, key, body), bodies))
            won = [body for body, refusal in zip(bodies, refusals, strict=True) if refusal is None]
            odd = [refusal for refusal in refusals if refusal is not None and status(refusal) not in {_REFUSED, _CONFLICT}]
            if odd:
                return Answer.REJECTED, f"in a race of {_WRITERS} writers one was answered {answered(odd[0])}, not 412"
            if len(won) != 1 or run.get(key) != won[0]:
                return Answer.IGNORED, f"in a race of {_WRITERS} writers for one key {len(won)} won ({', '.join(map(repr, won))})"
            races += 1
    return Answer.STRICT, f"{seen}; one of {_WRITERS} writers won each of {races} races"


@STORE.check(after="conditional_write")
def consistency(run: StoreContext, _facts: Facts) -> None:
    """Is what was written, overwritten or deleted seen at once, by reads and by lists?"""
    reader, stale, rounds, may_go_on = run.store.in_style(run.aim.style), Counter[str](), 0, run.within(_LOOP_S)
    while rounds < _ROUNDS and (not rounds or may_go_on()):
        stale.update(kind for kind, is_stale in _round(run, reader, f"consistency/{rounds}").items() if is_stale)
        rounds += 1
    if stale:
        run.record.fail("consistency", "stale: " + ", ".join(f"{kind} {times} of {rounds}" for kind, times in stale.items()))
    else:
        run.record.ok("consistency", f"{rounds} rounds of write, overwrite and delete were seen at once by GET, HEAD and list")


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

    def seen(when: str, body: bytes | None) -> dict[str, bool]:
        size = None if body is None else len(body)
        return {f"read {when}": read() != body, f"HEAD {when}": _size(reader, key) != size}

    run.put(name, b"old")
    stale = seen("after write", b"old") | {"list after write": key not in listed(reader, prefix)}
    run.put(name, b"newer")
    stale |= seen("after overwrite", b"newer")
    run.delete(key)
    return stale | seen("after delete", None) | {"list after delete": key in listed(reader, prefix)}


@STORE.check(after="listings")
def lasting(run: StoreContext, _facts: Facts) -> None:
    """Is all that was written still there, and all that was deleted still gone?"""

    def look(run: StoreContext) -> None:
        names, there, gone = set(listed(run.store, run.written.prefix)), dict(run.written.there), run.written.gone
        for key in list(there)[:_LOOKED_AT]:
            if _size(run.store, key) != there[key][0]:
                raise WrongError(f"{key}, written {time.monotonic() - there[key][1]:.0f} s ago, is not there any more, or of another size")
        if lost := sorted(set(there) - names):
            raise WrongError(f"a listing lacks {len(lost)} of {len(there)} objects that were written, such as {lost[0]}")
        if back := sorted(gone & names) + [key for key in sorted(gone)[:_LOOKED_AT] if _size(run.store, key) is not None]:
            raise WrongError(f"{back[0]} was deleted, and is there again")

    if run.attempt("lasting", look, "s3:ListBucket and s3:GetObject"):
        run.record.ok("lasting", f"{len(run.written.there)} objects are still there, {len(run.written.gone)} that were deleted are gone")


def _size(store: Store, key: str) -> int | None:
    """Return what HEAD tells; None where there is no object."""
    try:
        return store.head(key)["ContentLength"]
    except ClientError as error:
        if status(error) == _NOT_FOUND:
            return None
        raise
