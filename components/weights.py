"""Where the weights of a model come from, as parts of a pod: the image, a volume, a bucket or a hub; and a user that may read that bucket.

From a bucket an init container copies them, so that the engine itself needs neither a key of the store nor a way to it. They lie on the
cache volume where there is one, else on the node's disk, and are read-only to the engine.
"""

from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.component import Component
from components.stores import READER
from components.stores.s3 import S3Store

SCRIPT = Path(__file__).with_name("load_weights.py")
"""What the init container runs; any image with a shell, Python and boto3 will do, such as the suite's own."""
_ROOM = 1.25


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Weights below a prefix of a bucket."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    secret_name: pulumi.Input[str]  # secret with `access_key` and `secret_key`; reading is enough
    ca_config_map: pulumi.Input[str] | None  # ConfigMap with the private CA, None where the public ones do
    image: str  # image with a shell, Python and boto3


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Weights on a claim that somebody filled."""

    claim: str
    path: str  # folder on it, "" for all of it


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Weights that the engine downloads itself."""

    token_secret: str  # secret with the token under `token`, "" for a public repository


Source = Bucket | Volume | Hub  # None: they are in the image


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A volume that outlives the pod."""

    size_gib: float
    storage_class: str | None
    shared: bool  # several pods, on several nodes, mount it at once


def copied_gib(size_gib: float) -> float:
    """Disk for weights of this size, with room for a file that is being replaced."""
    return max(size_gib * _ROOM, 1)


class WeightsAccess(Component):
    """A user that may read one bucket and nothing else, and the Secret that carries its key.

    The bucket itself is not the stack's: weights are put there once by whoever chose them, and several stacks may serve them. `owner` is
    the mark on the user; whatever carries another one is left alone.
    """

    secret_name: pulumi.Output[str]  # Kubernetes Secret with `access_key` and `secret_key`, named like the component

    def __init__(
        self, name: str, *, store: S3Store, bucket: str, user: str, owner: pulumi.Input[str], namespace: pulumi.Input[str]
    ) -> None:
        super().__init__(name)
        key = store.credential(f"{name}-credential", user=user, bucket=bucket, permissions=READER, owner=owner, opts=self._own)
        self.secret_name = self._make_secret(f"{name}-secret", name, namespace, access_key=key.access_key, secret_key=key.secret_key)
        self.register_outputs({"secret_name": self.secret_name})
