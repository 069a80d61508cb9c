"""The key that COSI gave, tried on its bucket at the address that pods use; and what the bucket is really like.

A new user may be known at the management before the S3 API knows it, so a refusal counts only when it lasts.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.cosi.bucket_info import BucketInfo
from components.cosi.place import Place
from components.s3 import features
from components.s3.client import client
from components.s3.errors import StoreError, code, explained_for_user

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SETTLE_S, _INTERVAL_S = 60.0, 0.5
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "NoSuchBucket"}
_NO_USE = (
    "it refuses the key that COSI wrote into the Secret {secret} ({detail}). Cure: see whether milvus-x10000:object_store.endpoint and "
    "the COSI driver's own Secret (its `endpoint`) name the same system; if they do, look for the user in HPE GreenLake."
)
_BY_CODE = dict.fromkeys(_REFUSED, _NO_USE)
_VERSIONED = (
    "the bucket {bucket!r} keeps old versions, so what Milvus compacts away would stay for ever. "
    "Cure: switch versions off at the store, since the class that COSI made it of does not ask for them."
)
_UNVERSIONED = (
    "the bucket {bucket!r} keeps no old versions, though its class asks for them: HPE's COSI driver before 2.0.0 ignores that, and a "
    "citation could not be followed to the version it cites. Cure: bring the driver to 2.0.0, or switch versions on at the store: "
    "aws s3api put-bucket-versioning --endpoint-url {endpoint} --bucket {bucket} --versioning-configuration Status=Enabled"
)
_UNLOCKED = (
    "the bucket {bucket!r} has the lock {found}, and its class asks for {wanted}: HPE's COSI driver before 2.0.0 ignores that. "
    "Cure: bring the driver to 2.0.0 and let the claim be made anew, or leave milvus-x10000:object_store.documents_lock out."
)


def require(place: Place, info: BucketInfo, secret: str, wanted: Mapping[str, Any]) -> None:
    """StoreError unless the key opens the bucket, and the bucket is as `versioned` and `lock` of `wanted` say."""
    use = f"read the bucket {info.bucket!r} with the key in the Secret {secret} (COSI's own address of it: {info.endpoint})"
    with (
        explained_for_user(place.endpoint, use, secret, _BY_CODE),
        client(place.endpoint, place.region, place.ca_pem, info.access_key, info.secret_key) as s3,
    ):
        _opened(s3, info.bucket, min(_SETTLE_S, wanted["timeout_s"]))
        _require_like(s3, place.endpoint, info.bucket, wanted)


def _opened(s3: "S3Client", bucket: str, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except ClientError as error:
            if code(error) not in _REFUSED or time.monotonic() >= end:
                raise
            time.sleep(_INTERVAL_S)
        else:
            return


def _require_like(s3: "S3Client", endpoint: str, bucket: str, wanted: Mapping[str, Any]) -> None:
    """Believe a key that may not look: the preflight asks again with another one."""
    try:
        versioned, lock = features.is_versioned(s3, bucket), features.lock(s3, bucket)
    except ClientError as error:
        if code(error) in {"AccessDenied", "NotImplemented"}:
            return
        raise
    if versioned and not wanted["versioned"]:
        raise StoreError(_VERSIONED.format(bucket=bucket))
    if wanted["versioned"] and not versioned:
        raise StoreError(_UNVERSIONED.format(bucket=bucket, endpoint=endpoint))
    if lock != wanted["lock"]:
        raise StoreError(_UNLOCKED.format(bucket=bucket, found=lock or "none", wanted=dict(wanted["lock"]) or "none"))
