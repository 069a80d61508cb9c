"""What a bucket is like, and the claim that COSI makes it for.

Refuses other options for a bucket that is there: COSI reads a class once, when it makes a bucket of it, and would change nothing.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.stores.cosi import manifests
from components.stores.cosi.objects import Objects
from components.stores.cosi.provider import CosiProvider
from components.stores.errors import StoreError
from components.stores.owned import Bucket


class BucketClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketClass."""

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Only the mark can change."""
        _require_same(olds, news, ("driverName", "parameters"))


class BucketClass(dynamic.Resource, module="cosi", name="BucketClass"):
    """What the driver is told when it makes the bucket."""

    metadata: pulumi.Output[dict[str, Any]]


class BucketClaimProvider(CosiProvider):
    """Inputs: the manifest of a BucketClaim. Outputs: the same, and `bucket`, the name that COSI gave."""

    def answer(self, api: Objects, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the bucket; refuse another one than it was."""
        manifest = manifests.manifest(inputs)
        bucket = api.status(manifest, "bucketReady", inputs["timeout_s"], needs=["bucketName"])["bucketName"]
        if olds and olds["bucket"] != bucket:
            raise StoreError(
                f"the {manifests.title(manifest)} is of the bucket {bucket!r} now, and was of {olds['bucket']!r}: what was written there "
                "would be missing. Cure: see who made the claim anew; a claim of the old bucket names it in spec.existingBucketName.",
                code="cosi.another_bucket",
            )
        return {"bucket": bucket}

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Only the mark can change."""
        _require_same(olds, news, ("spec",))


class BucketClaim(Bucket, module="cosi", name="BucketClaim"):
    """One bucket, which COSI names."""


class AccessClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketAccessClass."""


class BucketAccessClass(dynamic.Resource, module="cosi", name="BucketAccessClass"):
    """What the driver is told when it makes a user."""

    metadata: pulumi.Output[dict[str, Any]]


def _require_same(olds: Mapping[str, Any], news: Mapping[str, Any], fixed: tuple[str, ...]) -> None:
    before = {key: olds[key] for key in fixed if olds[key] != news[key]}
    if before:
        after = {key: news[key] for key in before}
        raise StoreError(
            f"the {manifests.title(manifests.manifest(news))} was made with {before}, now {after} is asked for, "
            "and COSI reads a class only when it makes a bucket: nothing would change. Cure: set <setting> back, and change the bucket "
            "itself, with the S3 API or in HPE GreenLake.",
            code="cosi.fixed_option",
        )
