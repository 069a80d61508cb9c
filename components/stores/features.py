"""A bucket's mark, tags, versioning, lock, encryption and content by the S3 API: set, looked at again, and a missing effect is an error.

Believe the effect, not the status: a store without a feature may answer 200 and do nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from components.stores.connection import S3Client, StoreError, error_code, unless
from components.stores.owned import OWNER_TAG, merge_tags

T = TypeVar("T")
REFUSED_KEY = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"})
"""Answers to a key that the S3 API does not know yet, or never will."""
_TAGS_AT_CREATION_UNKNOWN = frozenset({"MalformedXML", "NotImplemented", "InvalidRequest", "InvalidArgument"})
_DELETE_BATCH = 1000


def create(s3: S3Client, inputs: Mapping[str, Any]) -> None:
    """Make a bucket with the mark in the same call, so that a run killed right after it leaves no bucket that nobody knows."""
    name = inputs["bucket"]
    lock: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if inputs["lock"] else {}
    try:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": [{"Key": OWNER_TAG, "Value": inputs["owner"]}]}, **lock)
    except ClientError as error:
        if error_code(error) not in _TAGS_AT_CREATION_UNKNOWN:
            raise
        s3.create_bucket(Bucket=name, **lock)
    set_tags(s3, {**inputs, "tags": {}}, {})


def tags(s3: S3Client, name: str) -> dict[str, str] | None:
    """Return the tags of a bucket, None when there is no such bucket."""
    try:
        return {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            return None
        if error_code(error) == "NoSuchTagSet":
            return {}
        raise


def set_tags(s3: S3Client, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
    """Set our mark and the operator's tags; others stay."""
    name = inputs["bucket"]
    there = tags(s3, name) or {}
    new = merge_tags(there, inputs, olds)
    if new != there:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in new.items()]})


def is_versioned(s3: S3Client, name: str) -> bool:
    """Return whether old versions are kept."""
    return s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"


def set_versioning(s3: S3Client, name: str, *, versioned: bool) -> None:
    """Switch it; StoreError where the store only says so."""
    if is_versioned(s3, name) == versioned:
        return
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled" if versioned else "Suspended"})
    if is_versioned(s3, name) != versioned:
        raise _not_done(name, f"versioning={versioned}", "switch versioning on in the store")


def lock(s3: S3Client, name: str) -> dict[str, Any]:
    """Return mode and days, {} without a lock."""
    none = {"ObjectLockConfigurationNotFoundError", "NotImplemented"}
    answer: Any = unless(none, s3.get_object_lock_configuration, Bucket=name) or {}
    there = answer.get("ObjectLockConfiguration", {})
    if there.get("ObjectLockEnabled") != "Enabled":
        return {}
    retention = there.get("Rule", {}).get("DefaultRetention", {})
    return {"mode": retention.get("Mode", ""), "days": retention.get("Days", 0)}


def set_lock(s3: S3Client, name: str, retention: Mapping[str, Any]) -> None:
    """Set the retention of new objects; a lock that is there cannot be taken away."""
    there = lock(s3, name)
    if there == retention:
        return
    if not retention:
        raise StoreError.by_code("store.lock_stays", name=name)
    rule: Any = {"DefaultRetention": {"Mode": retention["mode"], "Days": int(retention["days"])}}
    try:
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    except ClientError as error:
        raise StoreError.by_code("store.no_lock", name=name, error_code=error_code(error)) from None
    if lock(s3, name) != retention:
        raise _not_done(name, f"object lock {dict(retention)}", "ask for a store that has object lock")


def encryption(s3: S3Client, name: str) -> str:
    """Return the algorithm of the default encryption, "" when there is none."""
    none = {"ServerSideEncryptionConfigurationNotFoundError", "NotImplemented"}
    there: Any = unless(none, s3.get_bucket_encryption, Bucket=name)
    rules = there["ServerSideEncryptionConfiguration"]["Rules"] if there is not None else []
    return next((str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "")) for rule in rules), "")


def set_encryption(s3: S3Client, name: str, algorithm: str) -> None:
    """Ask for it and look whether it is there; "" leaves the store as it is."""
    if not algorithm or encryption(s3, name) == algorithm:
        return
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]}
    unless({"NotImplemented"}, s3.put_bucket_encryption, Bucket=name, ServerSideEncryptionConfiguration=rules)
    if encryption(s3, name) != algorithm:
        raise _not_done(name, f"encryption {algorithm}", "leave <setting> out and have the store encrypt by itself", "encryption")


def ask(question: Callable[..., T], *args: Any) -> T | None:  # noqa: ANN401  those of the question
    """Return the answer, None where this key may not ask: the preflight asks again with another one."""
    return unless({"AccessDenied", "NotImplemented"}, question, *args)


def wait_until_accepted(s3: S3Client, bucket: str, timeout_s: float) -> None:
    """Wait until the S3 API knows a new key: the management may know its user a moment earlier. ClientError where it never does."""
    refused = retry_if_exception(lambda error: isinstance(error, ClientError) and error_code(error) in REFUSED_KEY)
    Retrying(retry=refused, stop=stop_after_delay(timeout_s), wait=wait_fixed(0.5), reraise=True)(
        s3.list_objects_v2, Bucket=bucket, MaxKeys=1
    )


def empty(s3: S3Client, name: str) -> None:
    """Delete every version, delete marker and unfinished upload; StoreError where something is locked."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for listing in s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": _DELETE_BATCH}):
        versions: list[Any] = [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]
        if versions:
            objects: Any = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            errors: Any = s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
            if errors:
                key, code, message = (errors[0].get(field) for field in ("Key", "Code", "Message"))
                raise StoreError.by_code("store.locked_objects", number=len(errors), name=name, key=key, code=code, message=message)


def _not_done(name: str, what: str, cure: str, setting: str = "") -> StoreError:
    text = f"the store accepts {what} for the bucket {name!r} and does not do it. Cure: {cure}."
    return StoreError(text, code="store.not_done", setting=setting)
