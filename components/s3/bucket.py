"""A bucket that is ours: made with our mark on it, versioned or not, emptied and deleted only when that is asked for.

Refuses a bucket that carries another mark or none: Milvus deletes every object that its own metadata does not know, so two
installations on one bucket, or a new one on the bucket of an old one, destroy data.
"""

from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi import dynamic

from components.s3.errors import StoreError, code, explained
from components.s3.provider import StoreProvider, inputs_of, owner_of, require_ours, tagging_command
from components.s3.store import OWNER_TAG, Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ErrorTypeDef, TagTypeDef

_TAGS_AT_CREATION_UNKNOWN = frozenset({"MalformedXML", "NotImplemented", "InvalidRequest", "InvalidArgument"})
_DELETE_BATCH = 1000
_MISSING = (
    "{endpoint}: the bucket {bucket!r} is not there, and a new one would be empty. Cure: set milvus-x10000:object_store.endpoint "
    "to the store that has it; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`."
)
_LOCKED = (
    "{count} objects of the bucket {bucket!r} cannot be deleted, the first is {key!r}: {why}. Cure: wait until their retention has ended, "
    "or keep the bucket: `pulumi config set --path milvus-x10000:object_store.on_destroy retain`, then `pulumi up`."
)


class BucketProvider(StoreProvider):
    """Inputs: those of Store, `bucket`, `versioned`, `owner`. Outputs: the same, as found."""

    identity = "bucket"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        store, name, owner = Store.of(inputs), inputs["bucket"], inputs["owner"]
        with explained(store, "S3", f"make the bucket {name!r}"), store.s3() as s3:
            tags = _tags(s3, name)
            if tags is None:
                _create(s3, name, owner)
            else:
                require_ours(f"bucket {name!r}", owner_of(tags), {owner}, tagging_command(store, name, owner))
            _set_versioning(s3, name, versioned=inputs["versioned"])
        return dynamic.CreateResult(name, inputs)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there."""
        inputs = inputs_of(props)
        store = Store.of(inputs)
        with explained(store, "S3", f"look at the bucket {id_!r}"), store.s3() as s3:
            tags = _tags(s3, id_)
            if tags is None:
                return dynamic.ReadResult("", {})
            found = owner_of(tags)
            require_ours(f"bucket {id_!r}", found, {"", inputs["owner"]}, tagging_command(store, id_, inputs["owner"]))
            return dynamic.ReadResult(id_, {**inputs, "owner": found, "versioned": _versioned(s3, id_)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore mark and versioning; refuse an address at which the bucket is not, since its data would be missing there."""
        inputs = inputs_of(_news)
        store, owner = Store.of(inputs), inputs["owner"]
        with explained(store, "S3", f"change the bucket {_id!r}"), store.s3() as s3:
            tags = _tags(s3, _id)
            if tags is None:
                raise StoreError(_MISSING.format(endpoint=store.endpoint, bucket=_id))
            require_ours(f"bucket {_id!r}", owner_of(tags), {"", owner, _olds["owner"]}, tagging_command(store, _id, owner))
            _mark(s3, _id, owner, tags)
            _set_versioning(s3, _id, versioned=inputs["versioned"])
        return dynamic.UpdateResult(inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete it with every object and version in it; Pulumi does not call this where the bucket is retained."""
        store, owner = Store.of(_props), _props["owner"]
        with explained(store, "S3", f"delete the bucket {_id!r}"), store.s3() as s3:
            tags = _tags(s3, _id)
            if tags is None:
                return
            require_ours(f"bucket {_id!r}", owner_of(tags), {"", owner}, tagging_command(store, _id, owner))
            _empty(s3, _id)
            s3.delete_bucket(Bucket=_id)


class Bucket(dynamic.Resource, module="s3", name="Bucket"):
    """One bucket on `store`, marked as belonging to `owner`."""

    bucket: pulumi.Output[str]
    """Its name."""

    def __init__(
        self, name: str, *, store: Store, bucket: str, versioned: bool, owner: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(BucketProvider(), name, {**store.inputs(), "bucket": bucket, "versioned": versioned, "owner": owner}, opts)


def _tags(s3: "S3Client", name: str) -> "list[TagTypeDef] | None":
    """None when there is no such bucket, [] when it has no tags."""
    try:
        return s3.get_bucket_tagging(Bucket=name)["TagSet"]
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            return None
        if code(error) == "NoSuchTagSet":
            return []
        raise


def _create(s3: "S3Client", name: str, owner: str) -> None:
    """With the mark in the same call, so that a run killed right after it leaves no bucket that nobody knows."""
    try:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": [{"Key": OWNER_TAG, "Value": owner}]})
    except ClientError as error:
        if code(error) not in _TAGS_AT_CREATION_UNKNOWN:
            raise
        s3.create_bucket(Bucket=name)
    _mark(s3, name, owner, _tags(s3, name) or [])


def _mark(s3: "S3Client", name: str, owner: str, tags: "list[TagTypeDef]") -> None:
    if owner_of(tags) != owner:
        others = [tag for tag in tags if tag["Key"] != OWNER_TAG]
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [*others, {"Key": OWNER_TAG, "Value": owner}]})


def _versioned(s3: "S3Client", name: str) -> bool:
    return s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"


def _set_versioning(s3: "S3Client", name: str, *, versioned: bool) -> None:
    """Believe the effect, not the status: a store without versioning may answer 200 and keep one version."""
    if _versioned(s3, name) == versioned:
        return
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled" if versioned else "Suspended"})
    if _versioned(s3, name) != versioned:
        raise StoreError(
            f"the store accepts versioning={versioned} for the bucket {name!r} and does not do it. Cure: switch versioning on in the store."
        )


def _empty(s3: "S3Client", name: str) -> None:
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
