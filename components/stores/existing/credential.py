"""A key that somebody else made: read from its Secret, tried on its bucket.

Owns nothing: `delete` deletes nothing. Reads the Secret as `kubectl` would, with the kubeconfig of whoever runs Pulumi, and refuses
a Secret without the two keys and a bucket that does not answer to them: Milvus would only loop.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from kubernetes.client import CoreV1Api

from components import kube_api
from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import features
from components.stores.connection import Connection, s3_client
from components.stores.errors import StoreError, explained_for_user
from components.stores.owned import KEY_OUTPUTS, Credential


@dataclass(frozen=True, kw_only=True)
class Place(Connection):
    """Where bucket and Secret are."""

    secret_namespace: str
    """Kubernetes namespace of the Secret."""
    secret_name: str
    """Secret with `access_key` and `secret_key`."""


class ExistingCredentialProvider(OwnedProvider[CoreV1Api]):
    """Inputs: those of Place, `bucket`, `versioned`, `credential_generation`. Outputs: the same, and the key as found."""

    kind = "bucket"
    identity = ("bucket",)

    @contextmanager
    def open(self, inputs: Mapping[str, Any], action: str) -> Iterator[CoreV1Api]:
        """Open the cluster's API."""
        _ = inputs, action  # reading the key and trying it say what they were about
        with kube_api.core() as api:
            yield api

    def make(self, api: CoreV1Api, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Read the Secret and try it."""
        return self.change(api, name, inputs, {})

    def look(self, api: CoreV1Api, name: str, outputs: dict[str, Any]) -> Mapping[str, Any]:
        """Return the key in the Secret now."""
        return self.change(api, name, outputs, outputs)

    def change(self, api: CoreV1Api, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the Secret again and try it; its generation changes only with the key."""
        place = Place.of(inputs)
        key = kube_api.require_secret(api, place.secret_namespace, place.secret_name, KEY_OUTPUTS)
        secret = f"{place.secret_namespace}/{place.secret_name}"
        action = f"read the bucket {name!r} on {place.endpoint} with the key in the Secret {secret}"
        with explained_for_user(place.endpoint, action, secret), s3_client(place, **key) as s3:
            s3.list_objects_v2(Bucket=name, MaxKeys=1)
            versioned = features.ask(features.is_versioned, s3, name)
        _require_versions(name, versioned, wanted=inputs["versioned"])
        same = all(olds.get(half) == key[half] for half in KEY_OUTPUTS)
        return {**key, "generation": olds["generation"] if same else new_generation()}

    def remove(self, api: CoreV1Api, name: str, outputs: Mapping[str, Any]) -> None:
        """Leave everything as it is."""


class ExistingCredential(Credential, module="existing", name="Credential"):
    """A key for a bucket that is in a Secret already."""

    bucket: pulumi.Output[str]
    """Name of the bucket."""


def _require_versions(bucket: str, there: bool | None, *, wanted: bool) -> None:
    """Refuse versions where they hurt, and none where they are needed; a key that may not look (None) is believed."""
    if there is None or there == wanted:
        return
    if there:
        raise StoreError(
            f"the bucket {bucket!r} keeps old versions, so what Milvus compacts away would stay. Cure: name another one in <setting>.",
            code="store.versioned",
            setting="milvus_bucket",
        )
    raise StoreError(
        f"the bucket {bucket!r} keeps no old versions, so a document that is changed takes the source of old answers with it. "
        f"Cure: let whoever administers it turn versioning on, or name another in <setting>.",
        code="store.unversioned",
        setting="documents_bucket",
    )
