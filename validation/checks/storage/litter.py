"""Everything that the preflight writes, so that all of it goes again, however the run ends; what does not go is told.

Keys are remembered when they are made, not listed afterwards: a key that may not list, or a killed request, leaves nothing behind.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from validation.checks.storage.record import BlockedError
from validation.checks.storage.store import Store, answered, code

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_BATCH = 1000


class Litter:
    """The preflight's own prefix in the bucket."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._keys: dict[str, None] = {}
        self._uploads: dict[tuple[str, str], None] = {}
        self._versions: dict[tuple[str, str], None] = {}

    def key(self, name: str) -> str:
        """Return the whole key for `name`, and remember it."""
        key = f"{self.prefix}{name}"
        self._keys[key] = None
        return key

    def outside(self, key: str) -> None:
        """Remember a whole key that is not below the prefix."""
        self._keys[key] = None

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

    def clean(self, store: Store, admin: Store | None) -> list[str]:
        """Remove everything; return what is still there. A store that stopped answering is not asked again for each key."""
        try:
            for key, upload_id in self._uploads:
                _abort(store, key, upload_id)
            keys = list(self._keys)
            left = [one for at in range(0, len(keys), _BATCH) for one in _delete(store, keys[at : at + _BATCH])]
            return left + [one for key, version in self._versions if (one := _delete_version(admin or store, key, version))]
        except BlockedError as error:
            return [f"{self.prefix}* (up to {len(self._keys)} objects: {error.finding.seen})"]


def _abort(store: Store, key: str, upload_id: str) -> None:
    """Most are completed or aborted already, which the store says by an error."""
    with suppress(ClientError):
        store.ask(lambda s3: s3.abort_multipart_upload(Bucket=store.bucket, Key=key, UploadId=upload_id))


def _delete(store: Store, keys: list[str]) -> list[str]:
    """Delete in one request, or one by one where the store does not know that; return what would not go."""
    wanted: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
    try:
        answer = store.ask(lambda s3: s3.delete_objects(Bucket=store.bucket, Delete={"Objects": wanted, "Quiet": True}))
        failed = [error.get("Key", "?") for error in answer.get("Errors", [])]
    except ClientError:
        failed = keys
    return [left for key in failed if (left := _delete_one(store, key))]


def _delete_one(store: Store, key: str) -> str:
    try:
        store.ask(lambda s3: s3.delete_object(Bucket=store.bucket, Key=key))
    except ClientError as error:
        return "" if code(error) == "NoSuchKey" else f"{key} ({answered(error)})"
    return ""


def _delete_version(store: Store, key: str, version: str) -> str:
    try:
        store.ask(lambda s3: s3.delete_object(Bucket=store.bucket, Key=key, VersionId=version))
    except ClientError as error:
        return f"{key} version {version} ({answered(error)})"
    return ""
