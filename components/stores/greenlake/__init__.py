"""The store `greenlake`: a bucket and its users on an X10000 through the HPE GreenLake Object Storage REST API (`v1alpha1`), on httpx.

An answer may be lost, a token may expire, a task may take its time or fail, a run may be killed between two calls: what was begun is found
again by its name and completed, and nothing is made twice. Users and policies carry no tags there, so their names tell whose they are: they
end with a hash of the owner's mark. The API client's id and secret are in no setting and no state: see `api`.
"""

from dataclasses import dataclass

import pulumi

from components.stores import Declared, ObjectStoreArgs, document, suffixed
from components.stores.greenlake.api import GreenLakeSystem
from components.stores.greenlake.bucket import GreenLakeBucket, GreenLakeBucketProvider
from components.stores.greenlake.credential import GreenLakeCredential, GreenLakeCredentialProvider

__all__ = ["GreenLakeStore", "GreenLakeSystem"]


@dataclass(frozen=True, kw_only=True)
class GreenLakeStore:
    """Makes bucket and users on one storage system."""

    system: GreenLakeSystem
    settings: str = ""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """Declare one bucket, and one credential a valid generation; the mark says `greenlake`, so that no other store takes them over."""
        if args.options.encryption is not None:
            raise ValueError("the GreenLake API knows no encryption of a bucket; the driver s3 does")
        options = {key: value for key, value in args.options.inputs().items() if key != "encryption"}
        shared = {**self.system.inputs(), "bucket": args.bucket, "owner": pulumi.Output.concat(args.owner, "/greenlake")}
        provider, opts = GreenLakeCredentialProvider(self.settings), pulumi.ResourceOptions(parent=parent)
        policy = document(args.bucket, args.permissions)
        bucket_provider = GreenLakeBucketProvider(self.settings)
        bucket = GreenLakeBucket(bucket_provider, f"{name}-bucket", {**shared, **options}, args.bucket_opts(parent))
        credentials = [
            GreenLakeCredential(provider, suffixed(f"{name}-credential", number), {**shared, "number": number, "policy": policy}, opts)
            for number in args.generations.valid()
        ]
        return (bucket.bucket, credentials[-1])
