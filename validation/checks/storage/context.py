"""What the questions share: where to aim, the open store, what was written, and the record they add to.

Everything that the preflight writes goes again, however the run ends; what does not go is told, after a last listing. Keys are remembered
when they are made: a key that may not list, or a killed request, leaves nothing behind.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from validation.checks.registry import Suite
from validation.checks.storage.aim import Aim
from validation.checks.storage.record import BlockedError, PreflightRecord
from validation.checks.storage.store import FULL, Store, WrongError, answered, code, is_busy, is_denied
from validation.run.record import Reporter

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_BATCH = 1000
_CLEAN_S = 60.0  # longest time that removing takes, whatever became of the rest
_PAGES = 10


class Written:
    """The preflight's own prefix in the bucket."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._keys = dict[str, None]()
        self._uploads, self._versions = dict[tuple[str, str], None](), dict[tuple[str, str], None]()
        self.there: dict[str, tuple[int, float]] = {}
        """Keys that the store took and must keep, with the size in bytes and the time of the write."""
        self.gone: set[str] = set()  # keys that were there and are deleted

    def key(self, name: str) -> str:
        """Return the whole key for `name`, and remember it."""
        return self.remember(f"{self.prefix}{name}")

    def remember(self, key: str) -> str:
        """Remember a whole key, and return it."""
        self._keys[key] = None
        return key

    def upload(self, key: str, upload_id: str) -> str:
        """Remember a multipart upload that was begun."""
        self._uploads[(key, upload_id)] = None
        return upload_id

    def version(self, key: str, version_id: str) -> None:
        """Remember a version that a versioned bucket keeps; a plain delete would only hide it behind one more."""
        self.forget(key)
        self._versions[(key, version_id)] = None

    def forget(self, key: str) -> None:
        """Note that a key is deleted already."""
        self._keys.pop(key, None)
        self.there.pop(key, None)

    def clean(self, store: Store, admin: Store | None) -> list[str]:
        """Remove everything; return what is still there. A store that stopped answering is not asked again for each key."""
        store.shared.end_s = time.monotonic() + _CLEAN_S
        try:
            for key, upload_id in self._uploads:
                with suppress(ClientError, WrongError):  # most are completed or aborted already, which the store says by an error
                    which: Any = {"Bucket": store.bucket, "Key": key, "UploadId": upload_id}
                    store.ask(lambda s3, which=which: s3.abort_multipart_upload(**which))  # type: ignore[misc]
            keys = list(self._keys)
            left = [key for first in range(0, len(keys), _BATCH) for key in _delete(store, keys[first : first + _BATCH])]
            left += [why for key, version in self._versions if (why := _delete_one(admin or store, key, version))]
            known = {key.partition(" ")[0] for key in left}
            with suppress(ClientError, WrongError):
                left += [f"{key} (deleted, says the store)" for key in list(listed(store, self.prefix)) if key not in known]
        except BlockedError as error:
            return [f"{self.prefix}* (up to {len(self._keys)} objects: {error.finding.seen})"]
        return left


def listed(store: Store, prefix: str, version: int = 2, **more: Any) -> Iterator[str]:  # noqa: ANN401  options of the request
    """Yield the keys below a prefix, page by page, by either version of a listing; WrongError for one that never ends."""
    list_page = getattr(store.s3, "list_objects_v2" if version > 1 else "list_objects")
    for _ in range(_PAGES):
        page: Any = store.ask(lambda _, more=more: list_page(Bucket=store.bucket, Prefix=prefix, **more))  # type: ignore[misc]
        yield from (keys := [str(item.get("Key")) for item in page.get("Contents", [])])
        if not page.get("IsTruncated") or (version == 1 and not keys):
            return
        more = {**more, **({"ContinuationToken": page["NextContinuationToken"]} if version > 1 else {"Marker": keys[-1]})}
    raise WrongError(f"a listing goes on after {_PAGES} pages")


def _delete(store: Store, keys: list[str]) -> list[str]:
    """Delete in one request, or one by one where the store does not know that; return what would not go."""
    failed, identifiers = keys, cast("list[ObjectIdentifierTypeDef]", [{"Key": key} for key in keys])
    with suppress(ClientError, WrongError):
        answer = store.ask(lambda s3: s3.delete_objects(Bucket=store.bucket, Delete={"Objects": identifiers, "Quiet": True}))
        failed = [error.get("Key", "?") for error in answer.get("Errors", [])]
    return [left for key in failed if (left := _delete_one(store, key))]


def _delete_one(store: Store, key: str, version: str = "") -> str:
    which: Any = {"VersionId": version} if version else {}
    try:
        error = store.refusal(lambda s3: s3.delete_object(Bucket=store.bucket, Key=key, **which))
    except WrongError as wrong:
        return f"{key} ({wrong})"
    if error is None or (code(error) == "NoSuchKey" and not version):
        return ""
    return f"{key}{' version ' + version if version else ''} ({answered(error)})"


@dataclass(frozen=True, kw_only=True)
class StoreContext:
    """One preflight: what it was given, and what its checks have in common."""

    aim: Aim
    record: PreflightRecord
    reporter: Reporter
    store: Store  # with the key that Milvus will use
    admin: Store | None  # with a key that may look at the bucket's settings; it is never used to write
    written: Written
    now: Callable[[], datetime]  # this machine's clock

    def put(self, name: str, body: bytes) -> str:
        """Write one object below the preflight's own prefix, and return its key; what the store refuses is not there to be removed."""
        key = self.written.key(name)
        try:
            self.store.ask(lambda s3: s3.put_object(Bucket=self.aim.bucket, Key=key, Body=body))
        except ClientError:
            self.written.forget(key)
            raise
        self.written.there[key] = len(body), time.monotonic()
        return key

    def delete(self, key: str) -> None:
        """Delete one object; that it stays away is looked at later."""
        self.store.ask(lambda s3: s3.delete_object(Bucket=self.aim.bucket, Key=key))
        self.written.there.pop(key, None)
        self.written.gone.add(key)

    def attempt(self, name: str, step: "Callable[[StoreContext], object]", right: str) -> bool:
        """Take one step, and add a finding where it does not do what Milvus needs; `right` is what the key needs for it."""
        try:
            step(self)
        except WrongError as error:
            self.record.fail("does.wrong", str(error), name=f"does_{name}", tried=error.tried)
        except ClientError as error:
            key, seen = "does.unknown", "the store does not do it"
            if is_denied(error) and code(error) not in FULL:
                key, seen = "permission", "the key may not"
            elif is_busy(error):
                key, seen = "does.fails", f"{error.operation_name} fails for {self.aim.patience_s:g} s while a listing is answered"
            self.record.fail(key, f"{seen}: {answered(error)}", name=f"{key.partition('.')[0]}_{name}", right=right)
        else:
            return True
        return False

    def within(self, seconds: float) -> Callable[[], bool]:
        """Return what says whether a loop that began now may go on: for these seconds, and never past the run's own end."""
        end_s = min(time.monotonic() + seconds, self.store.shared.end_s)
        return lambda: time.monotonic() < end_s

    def get(self, key: str, **more: Any) -> bytes:  # noqa: ANN401  options of the request
        """Read one object, whole unless `more` says otherwise."""
        return self.store.ask(lambda s3: s3.get_object(Bucket=self.aim.bucket, Key=key, **more)["Body"].read())


STORE = Suite[StoreContext]()  # what `./rag store` asks
