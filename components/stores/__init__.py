"""One interface to the object store: what is asked of a store, and what it gives.

A store is a value that knows where it is and how buckets and keys are come by there: `S3Store` of `stores.s3`, `GreenLakeStore` of
`stores.greenlake`, `CosiStore` of `stores.cosi`, `ExistingStore` of `stores.existing`. Whatever else is in those folders is theirs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import pulumi

from components.component import Component
from components.generations import Generations, suffixed
from components.stores.connection import Connection, StoreError, error_code, s3_client
from components.stores.owned import Credential

__all__ = ["Connection", "Generations", "StoreError", "error_code", "s3_client", "suffixed"]
"""What of other files belongs to this interface."""
Declared = tuple[pulumi.Output[str], Credential]


# Least privilege, as seen on the wire and no more. No user may list buckets, change a bucket's versioning, tags or policy, or delete an old
# version: whoever steals the documents' key cannot destroy their history.
_COMMON_OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """Actions on the bucket itself and on its objects."""

    bucket_actions: tuple[str, ...]
    object_actions: tuple[str, ...]


MILVUS = Permissions(bucket_actions=("s3:ListBucket", "s3:GetBucketLocation"), object_actions=_COMMON_OBJECT_ACTIONS)
"""Milvus calls HeadBucket, ListObjects v1 and v2, GetObject, HeadObject, PutObject, DeleteObject and multipart uploads."""
DOCUMENTS = Permissions(
    bucket_actions=("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketVersions", "s3:GetBucketVersioning"),
    object_actions=(*_COMMON_OBJECT_ACTIONS, "s3:GetObjectVersion"),
)
"""Originals are read back at the version that an answer cites."""
READER = Permissions(bucket_actions=("s3:ListBucket", "s3:GetBucketLocation"), object_actions=("s3:GetObject",))
"""Weights of a model are copied, never changed, by the pod that serves them."""


def document(bucket: str, permissions: Permissions) -> str:
    """IAM policy as canonical JSON, so that what a store gives back can be compared with it."""
    statements = [
        {"Effect": "Allow", "Action": list(permissions.bucket_actions), "Resource": [f"arn:aws:s3:::{bucket}"]},
        {"Effect": "Allow", "Action": list(permissions.object_actions), "Resource": [f"arn:aws:s3:::{bucket}/*"]},
    ]
    return canonical({"Version": "2012-10-17", "Statement": statements})


def canonical(policy: object) -> str:
    """One spelling for equal policies."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Object lock: every new object version is kept at least so long, from whoever wants to delete it."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"]  # COMPLIANCE: nobody can shorten it, not even the store's administrator
    days: int


@dataclass(frozen=True, kw_only=True)
class BucketOptions:
    """Properties of one bucket; a driver refuses what its store cannot do."""

    versioned: bool
    """Keep old versions of an object. Never for Milvus: its garbage would stay, and its write-ahead log wants a plain bucket."""
    compressed: bool | None = None  # None: as the store does it by itself
    tags: Mapping[str, str] = field(default_factory=dict)  # the operator's own tags, beside our mark
    lock: Lock | None = None  # object lock, which needs versions. Never for Milvus: its compaction could delete nothing
    encryption: Literal["AES256"] | None = None  # default server-side encryption; None: as the store does it by itself

    def inputs(self) -> dict[str, Any]:
        """As inputs of a dynamic resource: plain, and equal for equal options."""
        lock, encryption = asdict(self.lock) if self.lock is not None else {}, self.encryption if self.encryption is not None else ""
        plain = {"versioned": self.versioned, "compressed": self.compressed, "tags": dict(sorted(self.tags.items()))}
        return {**plain, "lock": lock, "encryption": encryption}


class Store(Protocol):
    """One way to come by a bucket and a key for it; `settings` of a store names the group of settings it comes from, for messages."""

    def declare(self, name: str, args: "ObjectStoreArgs", parent: pulumi.Resource) -> Declared:
        """Make the resources, children of `parent` whose names begin with `name`; return the bucket and its newest key."""


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What to make, and where."""

    store: Store
    bucket: str  # name of the bucket, and stem of the names of its users
    options: BucketOptions
    permissions: Permissions
    owner: pulumi.Input[str]  # mark on what is made; whatever carries another one is left alone
    namespace: pulumi.Input[str]
    retain: bool  # keep the bucket and its objects when the stack is destroyed
    generations: Generations  # which credentials are valid; the newest one is in the Secret

    def bucket_opts(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of the bucket: a retained one can be taken away neither by `destroy` nor by a changed name."""
        return pulumi.ResourceOptions(parent=parent, protect=self.retain, retain_on_delete=self.retain)


class ObjectStore(Component):
    """One bucket, a credential that can touch nothing else, and the Secret that carries it.

    The secret key is secret from birth: in the state it is encrypted, in the cluster it is in the Secret alone.
    """

    bucket: pulumi.Output[str]
    secret_name: pulumi.Output[str]  # Kubernetes Secret with `access_key` and `secret_key`, named like the component
    credential_generation: pulumi.Output[str]  # changes whenever the key in the Secret does, and pods that carry it are rolled

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.bucket, key = args.store.declare(name, args, self)
        self.secret_name = self._make_secret(f"{name}-secret", name, args.namespace, access_key=key.access_key, secret_key=key.secret_key)
        self.credential_generation = key.generation
        self.register_outputs({"bucket": self.bucket, "secret_name": self.secret_name, "credential_generation": self.credential_generation})
