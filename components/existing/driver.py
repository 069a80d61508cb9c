"""Driver `existing`: checks the bucket and the Secret, and makes nothing on the store."""

from dataclasses import dataclass

import pulumi

from components.existing.credential import ExistingCredential, Place
from components.store_driver import Declared, ObjectStoreArgs


@dataclass(frozen=True)
class ExistingDriver:
    """Takes the key from a Secret that is there."""

    place: Place

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """One ExistingCredential, which fails unless Secret and bucket are as they should be."""
        found = ExistingCredential(
            f"{name}-credential",
            place=self.place,
            bucket=args.bucket,
            versioned=args.options.versioned,
            generation=args.generations.current,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return Declared(bucket=found.bucket, access_key=found.access_key, secret_key=found.secret_key, generation=found.generation)
