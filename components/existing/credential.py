"""A key that somebody else made: read from its Secret, tried on its bucket.

Owns nothing: `delete` deletes nothing. Reads the Secret as `kubectl` would, with the kubeconfig of whoever runs Pulumi, and refuses
a Secret without the two keys and a bucket that does not answer to them: Milvus would only loop.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi import dynamic

from components.dynamic_provider import AsInputs, inputs_of
from components.existing import kube
from components.s3.client import client
from components.s3.errors import StoreError, code, explained_for_user
from components.s3.features import is_versioned
from components.s3.provider import StoreProvider

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GENERATION_BYTES = 6
_KEYS = ("access_key", "secret_key")
_PROBE = "{bucket!r} on {endpoint} with the key in the Secret {secret}"


@dataclass(frozen=True, kw_only=True)
class Place(AsInputs):
    """Where bucket and Secret are."""

    endpoint: str
    """https://host[:port] of the S3 API."""
    region: str
    """Signing region."""
    ca_pem: str
    """Private CA as PEM text; "" means the public ones."""
    secret_namespace: str
    """Kubernetes namespace of the Secret."""
    secret_name: str
    """Secret with `access_key` and `secret_key`."""


class ExistingCredentialProvider(StoreProvider):
    """Inputs: those of Place, `bucket`, `versioned`, `credential_generation`. Outputs: the same, and the key as found."""

    identity = "bucket"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Read the Secret and try it."""
        inputs = inputs_of(props)
        return dynamic.CreateResult(inputs["bucket"], {**inputs, **_found(inputs, {})})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """What is in the Secret now."""
        outputs = inputs_of(props)
        return dynamic.ReadResult(id_, {**outputs, **_found(outputs, outputs)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Read the Secret again and try it; its generation changes only with the key."""
        inputs = inputs_of(_news)
        return dynamic.UpdateResult({**inputs, **_found(inputs, _olds)})


class ExistingCredential(dynamic.Resource, module="existing", name="Credential"):
    """A key for `bucket` that is in a Secret already."""

    bucket: pulumi.Output[str]
    access_key: pulumi.Output[str]
    """Secret in the state, like the secret key."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes when the key does."""

    def __init__(
        self, name: str, *, place: Place, bucket: str, versioned: bool, generation: int, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = {"access_key": None, "secret_key": None, "generation": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(_KEYS))
        inputs = {**place.inputs(), "bucket": bucket, "versioned": versioned, "credential_generation": generation}
        super().__init__(ExistingCredentialProvider(), name, {**inputs, **outputs}, pulumi.ResourceOptions.merge(opts, secret))


def _found(inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, str]:
    place = Place.of(inputs)
    key = kube.secret(place.secret_namespace, place.secret_name, _KEYS)
    _require_bucket(place, inputs["bucket"], key, versioned=inputs["versioned"])
    same = all(before.get(name) == key[name] for name in _KEYS)
    return {**key, "generation": before["generation"] if same else secrets.token_hex(_GENERATION_BYTES)}


def _require_bucket(place: Place, bucket: str, key: Mapping[str, str], *, versioned: bool) -> None:
    where = f"{place.secret_namespace}/{place.secret_name}"
    use = _PROBE.format(bucket=bucket, endpoint=place.endpoint, secret=where)
    with (
        explained_for_user(place.endpoint, f"read the bucket {use}", where),
        client(place.endpoint, place.region, place.ca_pem, key["access_key"], key["secret_key"]) as s3,
    ):
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
        _require_versions(s3, bucket, wanted=versioned)


def _require_versions(s3: "S3Client", bucket: str, *, wanted: bool) -> None:
    """Refuse versions where they hurt, and none where they are needed; a key that may not look is believed."""
    try:
        kept = is_versioned(s3, bucket)
    except ClientError as error:
        if code(error) in {"AccessDenied", "NotImplemented"}:
            return
        raise
    if kept == wanted:
        return
    if kept:
        raise StoreError(
            f"the bucket {bucket!r} keeps old versions, so what Milvus compacts away would stay for ever. "
            f"Cure: name an unversioned one in milvus-x10000:object_store.milvus_bucket."
        )
    raise StoreError(
        f"the bucket {bucket!r} keeps no old versions, so a document that is changed takes the source of old answers with it. "
        f"Cure: let whoever administers it turn versioning on, or name another in milvus-x10000:object_store.documents_bucket."
    )
