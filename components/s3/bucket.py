"""A bucket that is ours: made with our mark on it, like the options say, emptied and deleted only when that is asked for.

Refuses a bucket that carries another mark or none: Milvus deletes every object that its own metadata does not know, so two
installations on one bucket, or a new one on the bucket of an old one, destroy data.
"""

from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi import dynamic

from components.bucket_options import BucketOptions
from components.dynamic_provider import inputs_of
from components.s3 import features
from components.s3.emptying import empty
from components.s3.errors import StoreError, code, explained
from components.s3.provider import StoreProvider, owner_of, require_ours, tagging_command
from components.s3.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import TagTypeDef

_MISSING = (
    "{endpoint}: the bucket {bucket!r} is not there, and a new one would be empty. Cure: set milvus-x10000:object_store.endpoint "
    "to the store that has it; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`."
)


class BucketProvider(StoreProvider):
    """Inputs: those of Store, `bucket`, `owner`, those of BucketOptions. Outputs: the same, as found."""

    identity = "bucket"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        store, name, owner = Store.of(inputs), inputs["bucket"], inputs["owner"]
        with explained(store, "S3", f"make the bucket {name!r}"), store.s3() as s3:
            tags = _tags(s3, name)
            if tags is None:
                features.create(s3, name, owner, locked=bool(inputs["lock"]))
            else:
                require_ours(f"bucket {name!r}", owner_of(tags), {owner}, tagging_command(store, name, owner))
            _set(s3, name, inputs, {})
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
            return dynamic.ReadResult(id_, {**inputs, "owner": found, **features.found(s3, id_, tags, inputs)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore mark and options; refuse an address at which the bucket is not, since its data would be missing there."""
        inputs = inputs_of(_news)
        store, owner = Store.of(inputs), inputs["owner"]
        with explained(store, "S3", f"change the bucket {_id!r}"), store.s3() as s3:
            tags = _tags(s3, _id)
            if tags is None:
                raise StoreError(_MISSING.format(endpoint=store.endpoint, bucket=_id))
            require_ours(f"bucket {_id!r}", owner_of(tags), {"", owner, _olds["owner"]}, tagging_command(store, _id, owner))
            _set(s3, _id, inputs, inputs_of(_olds))
        return dynamic.UpdateResult(inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete it with every object and version in it; Pulumi does not call this where the bucket is retained."""
        store, owner = Store.of(_props), _props["owner"]
        with explained(store, "S3", f"delete the bucket {_id!r}"), store.s3() as s3:
            tags = _tags(s3, _id)
            if tags is None:
                return
            require_ours(f"bucket {_id!r}", owner_of(tags), {"", owner}, tagging_command(store, _id, owner))
            empty(s3, _id)
            s3.delete_bucket(Bucket=_id)


class Bucket(dynamic.Resource, module="s3", name="Bucket"):
    """One bucket on `store`, marked as belonging to `owner`."""

    bucket: pulumi.Output[str]
    """Its name."""

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        bucket: str,
        options: BucketOptions,
        owner: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        if options.compressed is not None:
            raise ValueError("the S3 API knows no compression of a bucket; the drivers greenlake and cosi do")
        wanted = {key: value for key, value in options.inputs().items() if key != "compressed"}
        inputs = {**store.inputs(), "bucket": bucket, **wanted, "owner": owner}
        super().__init__(BucketProvider(), name, inputs, opts)


def _set(s3: "S3Client", name: str, inputs: dict[str, Any], before: dict[str, Any]) -> None:
    features.set_tags(s3, name, inputs["owner"], inputs["tags"], gone=set(before.get("tags", {})) - set(inputs["tags"]))
    features.set_versioning(s3, name, versioned=inputs["versioned"])
    features.set_lock(s3, name, inputs["lock"])
    features.set_encryption(s3, name, inputs["encryption"])


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
