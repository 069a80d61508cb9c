"""What `ObjectStore` asks of a driver: a bucket, and the keys of the generations that are valid.

A driver is one way to come by them: `components.s3`, `.greenlake`, `.cosi`, `.existing`. It is a value that knows a store; its
`declare` makes the resources.
"""

from dataclasses import dataclass
from typing import Protocol

import pulumi

from components.bucket_options import BucketOptions
from components.generations import Generations
from components.s3.policy import Permissions


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a driver made: the bucket and its newest key."""

    bucket: pulumi.Output[str]
    """Name of the bucket."""
    access_key: pulumi.Output[str]
    """Secret, like the other half."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it."""


class StoreDriver(Protocol):
    """One way to come by a bucket and a key for it."""

    def declare(self, name: str, args: "ObjectStoreArgs", parent: pulumi.Resource) -> Declared:
        """Make the resources, children of `parent` whose names begin with `name`."""


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What to make, and where."""

    driver: StoreDriver
    """How, and on which store."""
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
