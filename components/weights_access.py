"""A user that may read one bucket and nothing else, and the Secret that carries its key: what copies the weights of a model.

The bucket itself is not the stack's: weights are put there once by whoever chose them, and several stacks may serve them.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.stores import READER
from components.stores.s3 import S3Store


@dataclass(frozen=True, kw_only=True)
class WeightsAccessArgs:
    """Who may read what."""

    store: S3Store
    bucket: str
    """Name of the bucket, which is there already."""
    user: str
    """Name of the user that is made."""
    owner: pulumi.Input[str]
    """Mark on the user; whatever carries another one is left alone."""
    namespace: pulumi.Input[str]
    """Kubernetes namespace of the Secret."""


class WeightsAccess(pulumi.ComponentResource):
    """A user that may read one bucket, and the Secret that carries its key."""

    secret_name: pulumi.Output[str]
    """Kubernetes Secret with `access_key` and `secret_key`, named like the component."""

    def __init__(self, name: str, args: WeightsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:WeightsAccess", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        credential = args.store.credential(
            f"{name}-credential", user=args.user, bucket=args.bucket, permissions=READER, owner=args.owner, opts=own
        )
        secret = k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": name, "namespace": args.namespace},
            string_data={"access_key": credential.access_key, "secret_key": credential.secret_key},
            opts=own,
        )
        self.secret_name = secret.metadata["name"]
        self.register_outputs({"secret_name": self.secret_name})
