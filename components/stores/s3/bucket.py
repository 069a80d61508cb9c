"""A bucket by the S3 API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.stores import features
from components.stores.errors import explained
from components.stores.owned import OWNER_TAG, Bucket, BucketProvider
from components.stores.s3.server import S3Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3BucketProvider(BucketProvider["S3Client"]):
    """Inputs: those of S3Server, `bucket`, `owner`, those of BucketOptions but `compressed`. Outputs: the same, as found."""

    place = "endpoint"

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator["S3Client"]:
        server = S3Server.of(inputs)
        with explained(server.endpoint, action, server.admin_profile), server.s3() as s3:
            yield s3

    def _tags(self, api: "S3Client", name: str) -> Mapping[str, str] | None:
        return features.tags(api, name)

    def _hand_over(self, name: str, inputs: Mapping[str, Any]) -> str:
        tags = f"TagSet=[{{Key={OWNER_TAG},Value={inputs['owner']}}}]"
        return S3Server.of(inputs).command("s3api", "put-bucket-tagging", "--bucket", name, "--tagging", tags)

    def _create(self, api: "S3Client", inputs: Mapping[str, Any]) -> None:
        features.create(api, inputs)

    def _configure(self, api: "S3Client", inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        name = inputs["bucket"]
        features.set_tags(api, inputs, olds)
        features.set_versioning(api, name, versioned=inputs["versioned"])
        features.set_lock(api, name, inputs["lock"])
        features.set_encryption(api, name, inputs["encryption"])

    def _describe(self, api: "S3Client", name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
        encryption = features.encryption(api, name) if outputs.get("encryption") else ""
        return {"versioned": features.is_versioned(api, name), "lock": features.lock(api, name), "encryption": encryption}

    def _delete(self, api: "S3Client", name: str, _outputs: Mapping[str, Any]) -> None:
        features.empty(api, name)
        api.delete_bucket(Bucket=name)


class S3Bucket(Bucket, module="s3", name="Bucket"):
    """One bucket on an S3 server."""
