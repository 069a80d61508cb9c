"""Driver `s3`: bucket by the S3 API, a user a generation by an AWS-compatible IAM API, both with the administrator's profile."""

from dataclasses import dataclass

import pulumi

from components.generations import suffixed
from components.s3 import policy
from components.s3.bucket import Bucket
from components.s3.credential import Credential
from components.s3.store import Store
from components.store_driver import Declared, ObjectStoreArgs

LONGEST_USER = 56
"""Characters of a bucket's name in a user's: AWS's IAM allows 64 in all."""


@dataclass(frozen=True)
class S3Driver:
    """Makes them on one S3 server."""

    store: Store

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """One Bucket, and one Credential a valid generation."""
        bucket = Bucket(
            f"{name}-bucket",
            store=self.store,
            bucket=args.bucket,
            options=args.options,
            owner=args.owner,
            opts=args.bucket_opts(parent),
        )
        newest = [self._credential(name, args, generation, parent) for generation in args.generations.valid()][-1]
        return Declared(bucket=bucket.bucket, access_key=newest.access_key, secret_key=newest.secret_key, generation=newest.generation)

    def _credential(self, name: str, args: ObjectStoreArgs, generation: int, parent: pulumi.Resource) -> Credential:
        user = args.bucket if generation == 1 else f"{args.bucket[:LONGEST_USER]}_{generation}"  # no bucket's name holds a _
        return Credential(
            suffixed(f"{name}-credential", generation),
            store=self.store,
            user=user,
            policy=policy.document(args.bucket, args.permissions),
            owner=args.owner,
            opts=pulumi.ResourceOptions(parent=parent),
        )
