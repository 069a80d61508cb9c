"""Reads and lists right after each write and delete, over a second connection pool, so that one node's memory is not enough."""

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.store import Store, code
from validation.run.record import Facts

_ROUNDS = 20


@dataclass
class Stale:
    """How often something old was seen, by kind."""

    kinds: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str, *, stale: bool) -> None:
        """Count one observation."""
        self.kinds[kind] = self.kinds.get(kind, 0) + int(stale)


@STORE.check("consistency", "Is what was written, overwritten or deleted seen at once, by reads and by lists?", after="conditional_write")
def consistency(run: StoreContext, _facts: Facts) -> None:
    """Add how many of the observations were stale."""
    reader, stale = run.store.in_style(run.aim.style), Stale()
    for number in range(_ROUNDS):
        _round(run, reader, number, stale)
    seen = {kind: times for kind, times in stale.kinds.items() if times}
    if seen:
        told = ", ".join(f"{kind} {times} of {_ROUNDS}" for kind, times in seen.items())
        run.record.fail(
            "consistency",
            f"stale: {told}",
            "Milvus reads back what it has just written: it would miss segments or see deleted ones",
            "switch caching on the way off, or use a store with strong read-after-write consistency",
        )
    else:
        run.record.ok("consistency", f"{_ROUNDS} rounds of write, overwrite and delete were seen at once by read and list")


def _round(run: StoreContext, reader: Store, number: int, stale: Stale) -> None:
    name = f"consistency/{number}"
    key = run.put(name, b"old")
    stale.note("read after write", stale=_read(reader, key) != b"old")
    stale.note("list after write", stale=key not in _list(run, reader))
    run.put(name, b"new")
    stale.note("read after overwrite", stale=_read(reader, key) != b"new")
    run.store.ask(lambda s3: s3.delete_object(Bucket=run.aim.bucket, Key=key))
    stale.note("read after delete", stale=_read(reader, key) is not None)
    stale.note("list after delete", stale=key in _list(run, reader))


def _read(reader: Store, key: str) -> bytes | None:
    try:
        return reader.ask(lambda s3: s3.get_object(Bucket=reader.bucket, Key=key)["Body"].read())
    except ClientError as error:
        if code(error) == "NoSuchKey":
            return None
        raise


def _list(run: StoreContext, reader: Store) -> set[str]:
    prefix = f"{run.litter.prefix}consistency/"
    found = reader.ask(lambda s3: s3.list_objects_v2(Bucket=reader.bucket, Prefix=prefix))
    return {str(one.get("Key")) for one in found.get("Contents", [])}
