"""Making a bucket, and its mark, tags, versioning, lock and encryption: set, looked at again, and an effect that is missing is an error.

Believe the effect, not the status: a store without a feature may answer 200 and do nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.s3.errors import StoreError, code
from components.s3.store import OWNER_TAG

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import TagTypeDef

_TAGS_AT_CREATION_UNKNOWN = frozenset({"MalformedXML", "NotImplemented", "InvalidRequest", "InvalidArgument"})
_NOT_DONE = "the store accepts {what} for the bucket {name!r} and does not do it. Cure: {cure}."
_NO_LOCK = (
    "the bucket {name!r} was made without object lock ({why}), and this store cannot add it afterwards. "
    "Cure: choose another name in milvus-x10000:object_store.documents_bucket and copy the documents over."
)
_LOCK_STAYS = (
    "object lock of the bucket {name!r} cannot be switched off, by nobody. "
    "Cure: set milvus-x10000:object_store.documents_lock again; a shorter retention counts for new objects."
)


def create(s3: "S3Client", name: str, owner: str, *, locked: bool) -> None:
    """With the mark in the same call, so that a run killed right after it leaves no bucket that nobody knows."""
    lock: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if locked else {}
    try:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": [{"Key": OWNER_TAG, "Value": owner}]}, **lock)
    except ClientError as error:
        if code(error) not in _TAGS_AT_CREATION_UNKNOWN:
            raise
        s3.create_bucket(Bucket=name, **lock)
    set_tags(s3, name, owner, {}, gone=())


def found(s3: "S3Client", name: str, tags: "Sequence[TagTypeDef]", wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are; of the tags only those that we want, since others are somebody else's."""
    there = {tag["Key"]: tag["Value"] for tag in tags}
    return {
        "versioned": is_versioned(s3, name),
        "tags": {key: there[key] for key in wanted.get("tags", {}) if key in there},
        "lock": lock(s3, name),
        "encryption": encryption(s3, name) if wanted.get("encryption") else "",
    }


def set_tags(s3: "S3Client", name: str, owner: str, tags: Mapping[str, str], *, gone: Collection[str]) -> None:
    """Our mark and the operator's tags; others stay, apart from those `gone` from the settings."""
    try:
        there = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    except ClientError as error:
        if code(error) != "NoSuchTagSet":
            raise
        there = {}
    wanted = {**{key: value for key, value in there.items() if key not in gone}, **tags, OWNER_TAG: owner}
    if wanted != there:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in wanted.items()]})


def is_versioned(s3: "S3Client", name: str) -> bool:
    """Whether old versions are kept."""
    return s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"


def set_versioning(s3: "S3Client", name: str, *, versioned: bool) -> None:
    """Switch it; StoreError where the store only says so."""
    if is_versioned(s3, name) == versioned:
        return
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled" if versioned else "Suspended"})
    if is_versioned(s3, name) != versioned:
        raise StoreError(_NOT_DONE.format(what=f"versioning={versioned}", name=name, cure="switch versioning on in the store"))


def lock(s3: "S3Client", name: str) -> dict[str, Any]:
    """Mode and days, {} without a lock."""
    try:
        there = s3.get_object_lock_configuration(Bucket=name).get("ObjectLockConfiguration", {})
    except ClientError as error:
        if code(error) in {"ObjectLockConfigurationNotFoundError", "NotImplemented"}:
            return {}
        raise
    if there.get("ObjectLockEnabled") != "Enabled":
        return {}
    retention = there.get("Rule", {}).get("DefaultRetention", {})
    return {"mode": retention.get("Mode", ""), "days": retention.get("Days", 0)}


def set_lock(s3: "S3Client", name: str, wanted: Mapping[str, Any]) -> None:
    """Set the retention of new objects; a lock that is there stays for ever."""
    there = lock(s3, name)
    if there == wanted:
        return
    if not wanted:
        raise StoreError(_LOCK_STAYS.format(name=name))
    rule: Any = {"DefaultRetention": {"Mode": wanted["mode"], "Days": int(wanted["days"])}}
    try:
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    except ClientError as error:
        raise StoreError(_NO_LOCK.format(name=name, why=code(error))) from None
    if lock(s3, name) != wanted:
        raise StoreError(_NOT_DONE.format(what=f"object lock {dict(wanted)}", name=name, cure="ask for a store that has object lock"))


def encryption(s3: "S3Client", name: str) -> str:
    """Algorithm of the default encryption, "" when there is none."""
    try:
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if code(error) in {"ServerSideEncryptionConfigurationNotFoundError", "NotImplemented"}:
            return ""
        raise
    return next((str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "")) for rule in rules), "")


def set_encryption(s3: "S3Client", name: str, wanted: str) -> None:
    """Ask for it and look whether it is there; "" leaves the store as it is."""
    if not wanted or encryption(s3, name) == wanted:
        return
    cure = "leave milvus-x10000:object_store.encryption out and have the store encrypt by itself"
    try:
        rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": wanted}}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    except ClientError as error:
        if code(error) != "NotImplemented":
            raise
        raise StoreError(f"the store cannot encrypt the bucket {name!r} by default (it answers NotImplemented). Cure: {cure}.") from None
    if encryption(s3, name) != wanted:
        raise StoreError(_NOT_DONE.format(what=f"encryption {wanted}", name=name, cure=cure))
