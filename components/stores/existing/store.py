"""The store `existing`: checks the bucket and the Secret, and makes nothing on the store."""

from dataclasses import dataclass

import pulumi

from components.stores import ObjectStoreArgs, StoreOutputs
from components.stores.existing.credential import ExistingCredential, ExistingCredentialProvider, Place


@dataclass(frozen=True, kw_only=True)
class ExistingStore:
    """Takes the key from a Secret that is there."""

    place: Place
    """Where bucket and Secret are."""
    settings: str = ""
    """Name of the group of settings that this comes from, for messages."""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> StoreOutputs:
        """Declare one credential, which fails unless Secret and bucket are as they should be."""
        wanted = {"bucket": args.bucket, "versioned": args.options.versioned, "credential_generation": args.generations.current}
        provider = ExistingCredentialProvider(self.settings)
        opts = pulumi.ResourceOptions(parent=parent)
        credential = ExistingCredential(provider, f"{name}-credential", {**self.place.inputs(), **wanted}, opts)
        return StoreOutputs.newest(credential.bucket, [credential])
