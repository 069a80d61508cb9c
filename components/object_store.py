"""One bucket, a credential that can touch nothing else, and the Secret that carries it.

Driver `s3`: bucket by the S3 API, user by an AWS-compatible IAM API, both with the administrator's profile of whoever runs Pulumi.
The secret key is secret from birth: in the state it is encrypted, in the cluster it is in the Secret alone.
A retained bucket is protected as well: neither `destroy` nor a changed name can take it away from under the data.
Rotation: see `components.generations`. `credential_generation` changes with the key in the Secret, and pods that carry it are rolled.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.generations import Generations, suffixed
from components.s3 import policy
from components.s3.bucket import Bucket
from components.s3.credential import Credential
from components.s3.policy import Permissions
from components.s3.store import Store

_LONGEST_USER = 56
"""Characters of a bucket's name in a user's: AWS's IAM allows 64 in all."""


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What to make, and where."""

    store: Store
    """S3 server and its administrator."""
    bucket: str
    """Name of the bucket, and of the user that may touch it."""
    versioned: bool
    """Keep old versions of an object. Never for Milvus: its garbage would stay, and its write-ahead log wants a plain bucket."""
    permissions: Permissions
    """What the user may do."""
    owner: pulumi.Input[str]
    """Mark on bucket and user; whatever carries another one is left alone."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Secret."""
    retain: bool
    """Keep the bucket and its objects when the stack is destroyed."""
    generations: Generations
    """Which credentials are valid; the newest one is in the Secret."""


class ObjectStore(pulumi.ComponentResource):
    """One bucket, a credential that can touch nothing else, and the Secret that carries it."""

    bucket: pulumi.Output[str]
    """Name of the bucket."""
    secret_name: pulumi.Output[str]
    """Kubernetes Secret with `access_key` and `secret_key`, named like the component."""
    credential_generation: pulumi.Output[str]
    """Changes whenever the key does."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:ObjectStore", name, None, opts)
        bucket = self._make_bucket(name, args)
        credentials = [self._make_credential(name, args, generation) for generation in args.generations.valid()]
        self.bucket = bucket.bucket
        self.secret_name = self._make_secret(name, args, credentials[-1]).metadata["name"]
        self.credential_generation = credentials[-1].generation
        self.register_outputs({"bucket": self.bucket, "secret_name": self.secret_name, "credential_generation": self.credential_generation})

    def _make_bucket(self, name: str, args: ObjectStoreArgs) -> Bucket:
        opts = pulumi.ResourceOptions(parent=self, protect=args.retain, retain_on_delete=args.retain)
        return Bucket(f"{name}-bucket", store=args.store, bucket=args.bucket, versioned=args.versioned, owner=args.owner, opts=opts)

    def _make_credential(self, name: str, args: ObjectStoreArgs, generation: int) -> Credential:
        user = args.bucket if generation == 1 else f"{args.bucket[:_LONGEST_USER]}_{generation}"  # no bucket's name holds a _
        return Credential(
            suffixed(f"{name}-credential", generation),
            store=args.store,
            user=user,
            policy=policy.document(args.bucket, args.permissions),
            owner=args.owner,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _make_secret(self, name: str, args: ObjectStoreArgs, credential: Credential) -> k8s.core.v1.Secret:
        return k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": name, "namespace": args.namespace},
            string_data={"access_key": credential.access_key, "secret_key": credential.secret_key},
            opts=pulumi.ResourceOptions(parent=self),
        )
