"""Driver `greenlake`: bucket, and a user with a policy a generation, through the HPE GreenLake Object Storage REST API."""

from dataclasses import dataclass

import pulumi

from components.generations import suffixed
from components.greenlake.bucket import GreenLakeBucket
from components.greenlake.credential import GreenLakeCredential
from components.greenlake.system import System
from components.s3 import policy
from components.store_driver import Declared, ObjectStoreArgs


@dataclass(frozen=True)
class GreenLakeDriver:
    """Makes them on one storage system."""

    system: System

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """One bucket, and one credential a valid generation; the mark says `greenlake`, so that no other driver takes them over."""
        owner = pulumi.Output.concat(args.owner, "/greenlake")
        bucket = GreenLakeBucket(
            f"{name}-bucket", system=self.system, bucket=args.bucket, options=args.options, owner=owner, opts=args.bucket_opts(parent)
        )
        document = policy.document(args.bucket, args.permissions)
        credentials = [
            GreenLakeCredential(
                suffixed(f"{name}-credential", number),
                system=self.system,
                inputs={"bucket": args.bucket, "number": number, "policy": document, "owner": owner},
                opts=pulumi.ResourceOptions(parent=parent),
            )
            for number in args.generations.valid()
        ]
        newest = credentials[-1]
        return Declared(bucket=bucket.bucket, access_key=newest.access_key, secret_key=newest.secret_key, generation=newest.generation)
