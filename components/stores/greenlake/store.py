"""The store `greenlake`: bucket, and a user with a policy a generation, through the HPE GreenLake Object Storage REST API."""

from dataclasses import dataclass

import pulumi

from components.stores import ObjectStoreArgs, StoreOutputs, suffixed
from components.stores.greenlake.bucket import GreenLakeBucket, GreenLakeBucketProvider
from components.stores.greenlake.credential import GreenLakeCredential, GreenLakeCredentialProvider
from components.stores.greenlake.system import GreenLakeSystem
from components.stores.policy import document


@dataclass(frozen=True, kw_only=True)
class GreenLakeStore:
    """Makes bucket and users on one storage system."""

    system: GreenLakeSystem
    settings: str = ""
    """Name of the group of settings that this comes from, for messages."""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> StoreOutputs:
        """Declare one bucket, and one credential a valid generation; the mark says `greenlake`, so that no other store takes them over."""
        if args.options.encryption is not None:
            raise ValueError("the GreenLake API knows no encryption of a bucket; the driver s3 does")
        options = {key: value for key, value in args.options.inputs().items() if key != "encryption"}
        shared = {**self.system.inputs(), "bucket": args.bucket, "owner": pulumi.Output.concat(args.owner, "/greenlake")}
        provider = GreenLakeBucketProvider(self.settings)
        bucket = GreenLakeBucket(provider, f"{name}-bucket", {**shared, **options}, args.bucket_opts(parent))
        credentials = [
            GreenLakeCredential(
                GreenLakeCredentialProvider(self.settings),
                suffixed(f"{name}-credential", number),
                {**shared, "number": number, "policy": document(args.bucket, args.permissions)},
                pulumi.ResourceOptions(parent=parent),
            )
            for number in args.generations.valid()
        ]
        return StoreOutputs.newest(bucket.bucket, credentials)
