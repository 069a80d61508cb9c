"""A user of one bucket: asked of COSI, read from the Secret that COSI writes, tried on the bucket at the address that pods use.

The key is taken from `BucketInfo` into the state, where it is secret, and is in no message. Believes the effect and not the status: a COSI
driver older than 2.0.0 knows no versions and no lock, and says nothing when it is asked for them.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components import kube_api
from components.random_secret import new_generation
from components.stores import Connection, StoreError, features, s3_client
from components.stores.connection import OF_MADE_USER, explained
from components.stores.cosi import manifests
from components.stores.cosi.bucket import CosiProvider
from components.stores.cosi.objects import Manifest, Objects
from components.stores.owned import KEY_OUTPUTS, Credential

_INFO = "BucketInfo"
_FIELDS = ("endpoint", "accessKeyID", "accessSecretKey")
_SETTLE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class BucketInfo:
    """A bucket and the key for it."""

    bucket: str
    endpoint: str  # address as the COSI driver knows it, which need not be the one that pods use
    access_key: str
    secret_key: str = field(repr=False)


def parse(text: str, where: str, again: str) -> BucketInfo:
    """Split the `BucketInfo` of the Secret `where`; StoreError that says what is wrong with it and, as it holds the key, nothing of it."""
    why, document = "", None
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        why = "is no JSON"
    spec = document.get("spec") if isinstance(document, dict) else None
    secret = spec.get("secretS3") if isinstance(spec, dict) else None
    if not why and not isinstance(secret, dict):
        why = "has no secretS3, so it is for another protocol than S3" if isinstance(spec, dict) else "has no spec"
    if isinstance(spec, dict) and isinstance(secret, dict):
        values: dict[str, Any] = {f"spec.secretS3.{name}": secret.get(name) for name in _FIELDS}
        values["spec.bucketName"] = spec.get("bucketName")
        missing = [name for name, value in values.items() if not isinstance(value, str) or not value]
        if not missing:
            endpoint, access_key, secret_key, bucket = values.values()
            return BucketInfo(bucket=bucket, endpoint=endpoint, access_key=access_key, secret_key=secret_key)
        why = "has no " + " and no ".join(missing)
    raise StoreError.by_code("cosi.bucket_info", where=where, why=why, again=again)


class CosiCredentialProvider(CosiProvider):
    """Inputs: the manifest of a BucketAccess, those of Connection, `bucket`, `versioned`, `lock`. Outputs: the same, and the key."""

    essential = "access_key"

    def _make(self, api: Objects, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        manifest = manifests.manifest(inputs)
        space, secret = _secret(manifest)
        if api.find(manifest) is None and _text(api, manifest) is not None:
            raise StoreError.by_code("cosi.secret_left_over", space=space, secret=secret, title=manifests.title(manifest))
        return super()._make(api, name, inputs)

    def _look(self, api: Objects, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """With the key in the Secret now; a lost key reads as ""."""
        there = super()._look(api, name, outputs)
        if there is None:
            return None
        manifest, bucket = manifests.manifest(outputs), outputs["bucket"]
        # COSI keeps user and key of an access that outlives its claim
        claim = {**manifest, "kind": "BucketClaim", "metadata": {**manifest["metadata"], "name": manifest["spec"]["bucketClaimName"]}}
        if api.find(claim) is None:
            left = f"the {manifests.title(manifest)} outlives its {manifests.title(claim)}: its key still opens the bucket {bucket!r}"
            print(f"warning: {left}. To revoke it: {manifests.command(manifest, 'delete')}", file=sys.stderr)
        text = _text(api, manifest)
        if text is None:
            return {**there, **dict.fromkeys(KEY_OUTPUTS, "")}
        return {**there, **_outputs(_info(manifest, text, bucket), outputs)}

    def _answer(self, api: Objects, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
        manifest, timeout_s = manifests.manifest(inputs), inputs["timeout_s"]
        api.status(manifest, "accessGranted", timeout_s)
        condition = f"in possession of {_INFO} in the Secret {'/'.join(_secret(manifest))}"
        info = _info(manifest, api.wait(manifest, condition, lambda: _text(api, manifest), timeout_s), inputs["bucket"])
        _try_key(info, "/".join(_secret(manifest)), inputs)
        return _outputs(info, olds)


class CosiCredential(Credential, module="cosi", name="Credential"):
    """One user of a bucket, and its key."""


def _try_key(info: BucketInfo, secret: str, inputs: Mapping[str, Any]) -> None:
    """Raise StoreError unless the key opens the bucket, and the bucket is as `versioned` and `lock` of the inputs say."""
    place, bucket = Connection.of(inputs), info.bucket
    action = f"read the bucket {bucket!r} with the key in the Secret {secret} (COSI's own address of it: {info.endpoint})"
    refusals = dict.fromkeys(features.REFUSED_KEY, OF_MADE_USER["cosi"])
    with explained(place.endpoint, action, refusals, secret=secret), s3_client(place, info.access_key, info.secret_key) as s3:
        features.wait_until_accepted(s3, bucket, min(_SETTLE_S, inputs["timeout_s"]))
        versioned, lock = features.ask(features.is_versioned, s3, bucket), features.ask(features.lock, s3, bucket)
    if versioned is True and not inputs["versioned"]:
        raise StoreError.by_code("store.versioned", bucket=bucket)
    if versioned is False and inputs["versioned"]:
        raise StoreError.by_code("store.unversioned", bucket=bucket, endpoint=place.endpoint)
    if lock is not None and lock != inputs["lock"]:
        raise StoreError.by_code("cosi.no_lock", bucket=bucket, lock=lock or "none", asked=dict(inputs["lock"]) or "none")


def _secret(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["spec"]["credentialsSecretName"]


def _text(api: Objects, manifest: Manifest) -> str | None:
    """BucketInfo as it is, None where there is no such Secret; "" for one without it."""
    texts = kube_api.find_secret(api.core, *_secret(manifest))
    return None if texts is None else texts.get(_INFO, "")


def _info(manifest: Manifest, text: str, bucket: str) -> BucketInfo:
    where, again = "/".join(_secret(manifest)), manifests.command(manifest, "delete")
    info = parse(text, where, again)
    if info.bucket != bucket:
        raise StoreError.by_code("cosi.another_bucket", where=where, bucket=info.bucket, claimed=bucket, again=again)
    return info


def _outputs(info: BucketInfo, olds: Mapping[str, Any]) -> dict[str, str]:
    same = (olds.get("access_key"), olds.get("secret_key")) == (info.access_key, info.secret_key)
    generation = olds["generation"] if same else new_generation()
    return {"access_key": info.access_key, "secret_key": info.secret_key, "generation": generation}
