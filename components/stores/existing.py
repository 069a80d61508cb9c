"""The store `existing`: a bucket and a key that are there already. Nothing is made on the store, everything is checked.

For a store that somebody else administers: they hand over a bucket and a key as a Kubernetes Secret with `access_key` and `secret_key`.
Pods can only read Secrets of their own namespace, which the stack makes, so the key is copied there. Rotation: change the Secret, then
raise `credential_generation`; revoking the old key is up to whoever made it.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pulumi
from kubernetes.client import CoreV1Api

from components import kube_api
from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import Connection, Declared, ObjectStoreArgs, StoreError, features, s3_client
from components.stores.connection import FOR_USER, explained
from components.stores.owned import KEY_OUTPUTS, Credential


@dataclass(frozen=True, kw_only=True)
class Place(Connection):
    """Where bucket and Secret are."""

    secret_namespace: str
    secret_name: str  # secret with `access_key` and `secret_key`


class ExistingCredentialProvider(OwnedProvider[CoreV1Api]):
    """Inputs: those of Place, `bucket`, `versioned`, `credential_generation`. Outputs: the same, and the key as found.

    Owns nothing: `delete` deletes nothing. Reads the Secret as `kubectl` would, with the kubeconfig of whoever runs Pulumi, and refuses a
    Secret without the two keys and a bucket that does not answer to them: Milvus would only loop.
    """

    kind = "bucket"
    identity = ("bucket",)

    def _open(self, _inputs: Mapping[str, Any], _action: str) -> AbstractContextManager[CoreV1Api]:
        """Open the cluster's API: reading the key and trying it say what they were about."""
        return kube_api.core()

    def _look(self, api: CoreV1Api, name: str, outputs: dict[str, Any]) -> Mapping[str, Any]:
        return self._change(api, name, outputs, outputs)

    def _change(self, api: CoreV1Api, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the Secret and try it; its generation changes only with the key."""
        place = Place.of(inputs)
        key = kube_api.require_secret(api, place.secret_namespace, place.secret_name, KEY_OUTPUTS)
        secret = f"{place.secret_namespace}/{place.secret_name}"
        action = f"read the bucket {name!r} on {place.endpoint} with the key in the Secret {secret}"
        with explained(place.endpoint, action, FOR_USER, secret=secret), s3_client(place, **key) as s3:
            s3.list_objects_v2(Bucket=name, MaxKeys=1)
            versioned = features.ask(features.is_versioned, s3, name)  # None for a key that may not look, which is believed
        if versioned is True and not inputs["versioned"]:
            raise StoreError.by_code("store.versioned/existing", bucket=name)
        if versioned is False and inputs["versioned"]:
            raise StoreError.by_code("store.unversioned/existing", bucket=name)
        same = all(olds.get(half) == key[half] for half in KEY_OUTPUTS)
        return {**key, "generation": olds["generation"] if same else new_generation()}

    def _remove(self, _api: CoreV1Api, _name: str, _outputs: Mapping[str, Any]) -> None:
        """Leave everything as it is."""


class ExistingCredential(Credential, module="existing", name="Credential"):
    """A key for a bucket that is in a Secret already."""

    bucket: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class ExistingStore:
    """Takes the key from a Secret that is there."""

    place: Place
    settings: str = ""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """Declare one credential, which fails unless Secret and bucket are as they should be."""
        inputs = {"bucket": args.bucket, "versioned": args.options.versioned, "credential_generation": args.generations.current}
        provider = ExistingCredentialProvider(self.settings)
        opts = pulumi.ResourceOptions(parent=parent)
        credential = ExistingCredential(provider, f"{name}-credential", {**self.place.inputs(), **inputs}, opts)
        return (credential.bucket, credential)
