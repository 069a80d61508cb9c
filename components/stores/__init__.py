"""One interface to the object store: what is asked of a store, and what it gives.

A store is a value that knows where it is and how buckets and keys are come by there: `S3Store` of `stores.s3`, `GreenLakeStore` of
`stores.greenlake`, `CosiStore` of `stores.cosi`, `ExistingStore` of `stores.existing`. Whatever else is in those folders is theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import pulumi

from components.generations import Generations, suffixed
from components.stores.connection import Connection, s3_client
from components.stores.errors import StoreError, error_code
from components.stores.options import BucketOptions, Lock
from components.stores.owned import Credential
from components.stores.policy import DOCUMENTS, MILVUS, READER, Permissions

__all__ = [
    "DOCUMENTS",
    "MILVUS",
    "READER",
    "BucketOptions",
    "Connection",
    "Generations",
    "Lock",
    "ObjectStoreArgs",
    "Permissions",
    "Store",
    "StoreError",
    "StoreOutputs",
    "error_code",
    "s3_client",
    "suffixed",
]


@dataclass(frozen=True, kw_only=True)
class StoreOutputs:
    """What a store made: the bucket and its newest key."""

    bucket: pulumi.Output[str]
    """Name of the bucket."""
    access_key: pulumi.Output[str]
    """Secret, like `secret_key`."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it."""

    @classmethod
    def newest(cls, bucket: pulumi.Output[str], credentials: Sequence[Credential]) -> Self:
        """Take the key of the last credential."""
        key = credentials[-1]
        return cls(bucket=bucket, access_key=key.access_key, secret_key=key.secret_key, generation=key.generation)


class Store(Protocol):
    """One way to come by a bucket and a key for it."""

    def declare(self, name: str, args: "ObjectStoreArgs", parent: pulumi.Resource) -> StoreOutputs:
        """Make the resources, children of `parent` whose names begin with `name`."""


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What to make, and where."""

    store: Store
    """Which store, and how."""
    bucket: str
    """Name of the bucket, and stem of the names of its users."""
    options: BucketOptions
    """What the bucket is like."""
    permissions: Permissions
    """What its users may do."""
    owner: pulumi.Input[str]
    """Mark on what is made; whatever carries another one is left alone."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Secret."""
    retain: bool
    """Keep the bucket and its objects when the stack is destroyed."""
    generations: Generations
    """Which credentials are valid; the newest one is in the Secret."""

    def bucket_opts(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of the bucket: a retained one can be taken away neither by `destroy` nor by a changed name."""
        return pulumi.ResourceOptions(parent=parent, protect=self.retain, retain_on_delete=self.retain)
