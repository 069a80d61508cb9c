"""What a bucket is like, and the claim that COSI makes it for.

Refuses other options for a bucket that is there: COSI reads a class once, when it makes a bucket of it, and would change nothing.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.cosi import manifests, waiting
from components.cosi.objects import Objects
from components.cosi.provider import CosiProvider
from components.s3.errors import StoreError

_READ_ONCE = (
    "the {what} was made with {olds}, now {news} is asked for, and COSI reads a class only when it makes a bucket: nothing would change. "
    "Cure: set milvus-x10000:object_store back, and change the bucket itself, with the S3 API or in HPE GreenLake."
)
_ANOTHER = (
    "the {what} is of the bucket {found!r} now, and was of {olds!r}: what was written there would be missing. Cure: see who made the claim "
    "anew; a claim of the old bucket names it in spec.existingBucketName."
)


class BucketClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketClass."""

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Only the mark can change."""
        fixed = ("driverName", "parameters")
        if before := {key: olds[key] for key in fixed if olds[key] != news[key]}:
            after = {key: news[key] for key in before}
            raise StoreError(_READ_ONCE.format(what=manifests.named(manifests.of(news)), olds=before, news=after))


class BucketClass(dynamic.Resource, module="cosi", name="BucketClass"):
    """What the driver is told when it makes the bucket."""

    metadata: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, *, manifest: Mapping[str, Any], timeout_s: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BucketClassProvider(), name, {**manifest, "timeout_s": timeout_s}, opts)


class BucketClaimProvider(CosiProvider):
    """Inputs: the manifest of a BucketClaim. Outputs: the same, and `bucket`, the name that COSI gave."""

    def answer(self, objects: Objects, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the bucket; refuse another one than it was."""
        manifest = manifests.of(inputs)
        bucket = waiting.status(objects, manifest, "bucketReady", inputs["timeout_s"], needs=["bucketName"])["bucketName"]
        if before and before["bucket"] != bucket:
            raise StoreError(_ANOTHER.format(what=manifests.named(manifest), found=bucket, olds=before["bucket"]))
        return {"bucket": bucket}

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Only the mark can change."""
        if olds["spec"] != news["spec"]:
            raise StoreError(_READ_ONCE.format(what=manifests.named(manifests.of(news)), olds=olds["spec"], news=news["spec"]))


class BucketClaim(dynamic.Resource, module="cosi", name="BucketClaim"):
    """One bucket."""

    bucket: pulumi.Output[str]
    """Its name at the store, which COSI chose."""

    def __init__(self, name: str, *, manifest: Mapping[str, Any], timeout_s: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BucketClaimProvider(), name, {**manifest, "timeout_s": timeout_s, "bucket": None}, opts)
