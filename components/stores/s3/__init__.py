"""The store `s3`: a bucket by the S3 API, a user a generation by an AWS-compatible IAM API, both with the administrator's profile."""

from dataclasses import dataclass

import pulumi

from components.stores import ObjectStoreArgs, Permissions, StoreOutputs, suffixed
from components.stores.owned import Credential
from components.stores.policy import document
from components.stores.s3.bucket import S3Bucket, S3BucketProvider
from components.stores.s3.credential import S3Credential, S3CredentialProvider
from components.stores.s3.server import S3Server

__all__ = ["LONGEST_USER", "S3Server", "S3Store"]
LONGEST_USER = 56
"""Characters of a bucket's name in a user's: AWS's IAM allows 64 in all."""


@dataclass(frozen=True, kw_only=True)
class S3Store:
    """Makes bucket and users on one S3 server."""

    server: S3Server
    settings: str = ""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> StoreOutputs:
        """Declare one bucket, and one credential a valid generation."""
        if args.options.compressed is not None:
            raise ValueError("the S3 API knows no compression of a bucket; the drivers greenlake and cosi do")
        options = {key: value for key, value in args.options.inputs().items() if key != "compressed"}
        inputs = {**self.server.inputs(), "bucket": args.bucket, **options, "owner": args.owner}
        bucket = S3Bucket(S3BucketProvider(self.settings), f"{name}-bucket", inputs, args.bucket_opts(parent))
        return StoreOutputs(bucket.bucket, [self._user(name, args, number, parent) for number in args.generations.valid()][-1])

    def _user(self, name: str, args: ObjectStoreArgs, generation: int, parent: pulumi.Resource) -> Credential:
        user = args.bucket if generation == 1 else f"{args.bucket[:LONGEST_USER]}_{generation}"  # no bucket's name holds a _
        resource, opts = suffixed(f"{name}-credential", generation), pulumi.ResourceOptions(parent=parent)
        return self.credential(resource, user=user, bucket=args.bucket, permissions=args.permissions, owner=args.owner, opts=opts)

    def credential(
        self, name: str, *, user: str, bucket: str, permissions: Permissions, owner: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> Credential:
        """Declare a user that has `permissions` on `bucket`, and its key."""
        inputs = {**self.server.inputs(), "user": user, "policy": document(bucket, permissions), "owner": owner}
        return S3Credential(S3CredentialProvider(self.settings), name, inputs, opts)
