"""A user of one bucket: asked of COSI, read from the Secret that COSI writes, tried on the bucket.

The key is taken from `BucketInfo` into the state, where it is secret, and is in no message. Believes the effect and not the status: a
COSI driver older than 2.0.0 knows no versions and no lock, and says nothing when it is asked for them.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

import pulumi
from kubernetes import client
from pulumi import dynamic

from components.cosi import bucket_info, manifests, trial, waiting
from components.cosi.bucket_info import BucketInfo
from components.cosi.objects import Objects
from components.cosi.place import Place
from components.cosi.provider import CosiProvider
from components.s3.errors import StoreError

_NOT_FOUND = 404
_TIMEOUT_S = 30
_GENERATION_BYTES = 6
_SECRET_OUTPUTS = ["access_key", "secret_key"]
_LEFT_OVER = (
    "the Secret {where} is there already, and no {what} that it could be of: COSI would keep it and give no key. "
    "Cure: see whose it is, then: kubectl -n {space} delete secret {name}"
)
_OTHER_BUCKET = (
    "the key in the Secret {where} is for the bucket {found!r}, and the claim's bucket is {bucket!r}: Milvus would write into somebody "
    "else's data. Cure: make COSI write it again: {again}; then run `pulumi up` again."
)


class AccessClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketAccessClass."""


class BucketAccessClass(dynamic.Resource, module="cosi", name="BucketAccessClass"):
    """What the driver is told when it makes a user."""

    metadata: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, *, manifest: Mapping[str, Any], timeout_s: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(AccessClassProvider(), name, {**manifest, "timeout_s": timeout_s}, opts)


class CosiCredentialProvider(CosiProvider):
    """Inputs: the manifest of a BucketAccess, those of Place, `bucket`, `versioned`, `lock`. Outputs: the same, and the key."""

    def before(self, objects: Objects, inputs: Mapping[str, Any]) -> None:
        """Refuse a Secret of the name that no access of ours has."""
        manifest = manifests.of(inputs)
        space, name = _secret(manifest)
        if objects.find(manifest) is None and _text(objects, manifest) is not None:
            raise StoreError(_LEFT_OVER.format(where=f"{space}/{name}", what=manifests.named(manifest), space=space, name=name))

    def answer(self, objects: Objects, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the grant, read the key and try it."""
        manifest, timeout_s = manifests.of(inputs), inputs["timeout_s"]
        waiting.status(objects, manifest, "accessGranted", timeout_s)
        info = _info(manifest, _written(objects, manifest, timeout_s), inputs["bucket"])
        trial.require(Place.of(inputs), info, "/".join(_secret(manifest)), inputs)
        return _outputs(info, before)

    def found(self, objects: Objects, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """What is in the Secret now; a lost key reads as ""."""
        manifest = manifests.of(outputs)
        text = _text(objects, manifest)
        return _outputs(_info(manifest, text, outputs["bucket"]), outputs) if text is not None else dict.fromkeys(_SECRET_OUTPUTS, "")

    def incomplete(self, outputs: Mapping[str, Any]) -> bool:
        """Tell whether a refresh found that the Secret is gone."""
        return not outputs.get("access_key")


class CosiCredential(dynamic.Resource, module="cosi", name="Credential"):
    """One user of `bucket`, and its key."""

    access_key: pulumi.Output[str]
    """Secret in the state, like the secret key."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it."""

    def __init__(
        self, name: str, *, manifest: Mapping[str, Any], place: Place, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = {"access_key": None, "secret_key": None, "generation": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=_SECRET_OUTPUTS)
        everything = {**manifest, **place.inputs(), **inputs, **outputs}
        super().__init__(CosiCredentialProvider(), name, everything, pulumi.ResourceOptions.merge(opts, secret))


def _secret(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["spec"]["credentialsSecretName"]


def _written(objects: Objects, manifest: Mapping[str, Any], timeout_s: float) -> str:
    """Wait for what COSI writes into the Secret."""
    late = f"in possession of {bucket_info.KEY} in the Secret {'/'.join(_secret(manifest))}"
    return waiting.until(
        timeout_s,
        lambda: _text(objects, manifest),
        lambda: waiting.late(objects, manifest, late, timeout_s),
        f"waiting for the key of {manifests.named(manifest)}",
    )


def _text(objects: Objects, manifest: Mapping[str, Any]) -> str | None:
    """BucketInfo as it is, None where there is no such Secret; "" for one without it."""
    space, name = _secret(manifest)
    try:
        data = objects.core.read_namespaced_secret(name, space, _request_timeout=_TIMEOUT_S).data or {}
    except client.ApiException as error:
        if error.status == _NOT_FOUND:
            return None
        raise StoreError(
            f"the Secret {space}/{name} cannot be read: the API server answers {error.status}. "
            f"Cure: kubectl auth can-i get secret/{name} -n {space}"
        ) from None
    return base64.b64decode(data.get(bucket_info.KEY, "")).decode(errors="replace")


def _info(manifest: Mapping[str, Any], text: str, bucket: str) -> BucketInfo:
    where, again = "/".join(_secret(manifest)), manifests.command(manifest, "delete")
    info = bucket_info.parse(text, where, again)
    if info.bucket != bucket:
        raise StoreError(_OTHER_BUCKET.format(where=where, found=info.bucket, bucket=bucket, again=again))
    return info


def _outputs(info: BucketInfo, before: Mapping[str, Any]) -> dict[str, str]:
    same = (before.get("access_key"), before.get("secret_key")) == (info.access_key, info.secret_key)
    generation = before["generation"] if same else secrets.token_hex(_GENERATION_BYTES)
    return {"access_key": info.access_key, "secret_key": info.secret_key, "generation": generation}
