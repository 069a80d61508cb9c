"""A bucket by the S3 API."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.stores import features
from components.stores.errors import explained
from components.stores.owned import OWNER_TAG, Bucket, BucketProvider, owner_of
from components.stores.s3.server import S3Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class S3Buckets:
    """Buckets of one server; a bucket is described by its tags."""

    server: S3Server
    s3: "S3Client"

    def find(self, name: str) -> Any:  # noqa: ANN401  tags, None where there is no bucket
        """Return its tags."""
        return features.tags(self.s3, name)

    def owner(self, there: Sequence[Mapping[str, object]]) -> str:
        """Return the mark among its tags."""
        return owner_of(there)

    def hand_over(self, name: str, owner: str) -> str:
        """Return a command of the AWS client."""
        tags = f"TagSet=[{{Key={OWNER_TAG},Value={owner}}}]"
        return self.server.command("s3api", "put-bucket-tagging", "--bucket", name, "--tagging", tags)

    def create(self, inputs: Mapping[str, Any]) -> None:
        """Make it with its mark and, where it is asked for, with object lock."""
        features.create(self.s3, inputs["bucket"], inputs["owner"], locked=bool(inputs["lock"]))

    def configure(self, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        """Set mark, tags, versioning, lock and encryption."""
        name = inputs["bucket"]
        features.set_tags(self.s3, name, inputs["owner"], inputs["tags"], gone=set(olds.get("tags", {})) - set(inputs["tags"]))
        features.set_versioning(self.s3, name, versioned=inputs["versioned"])
        features.set_lock(self.s3, name, inputs["lock"])
        features.set_encryption(self.s3, name, inputs["encryption"])

    def describe(self, there: Any, outputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401  tags
        """Return the options as they are."""
        return features.describe(self.s3, outputs["bucket"], there, outputs)

    def delete(self, name: str) -> None:
        """Delete it with all that is in it."""
        features.empty(self.s3, name)
        self.s3.delete_bucket(Bucket=name)


class S3BucketProvider(BucketProvider[S3Buckets]):
    """Inputs: those of S3Server, `bucket`, `owner`, those of BucketOptions but `compressed`. Outputs: the same, as found."""

    place = "endpoint"

    @contextmanager
    def open(self, inputs: Mapping[str, Any], action: str) -> Iterator[S3Buckets]:
        """Open the S3 API, as the administrator."""
        server = S3Server.of(inputs)
        with explained(server.endpoint, action, server.admin_profile), server.s3() as s3:
            yield S3Buckets(server, s3)


class S3Bucket(Bucket, module="s3", name="Bucket"):
    """One bucket on an S3 server."""
