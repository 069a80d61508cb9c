"""Emptying a bucket: every version, delete marker and unfinished upload in it."""

from typing import TYPE_CHECKING

from components.s3.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ErrorTypeDef

_DELETE_BATCH = 1000
_LOCKED = (
    "{count} objects of the bucket {bucket!r} cannot be deleted, the first is {key!r}: {why}. Cure: wait until their retention has ended, "
    "or keep the bucket: `pulumi config set --path milvus-x10000:object_store.on_destroy retain`, then `pulumi up`."
)


def empty(s3: "S3Client", name: str) -> None:
    """Delete all that is in it; StoreError where something is locked."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for listing in s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": _DELETE_BATCH}):
        found = [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]
        if found:
            answer = s3.delete_objects(
                Bucket=name, Delete={"Objects": [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found], "Quiet": True}
            )
            _require_deleted(name, answer.get("Errors", []))


def _require_deleted(name: str, errors: "list[ErrorTypeDef]") -> None:
    if errors:
        why = f"{errors[0].get('Code')} {errors[0].get('Message')}"
        raise StoreError(_LOCKED.format(count=len(errors), bucket=name, key=errors[0].get("Key"), why=why))
