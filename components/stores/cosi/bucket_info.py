"""The text `BucketInfo` that COSI puts into the Secret of an access, split. Pure.

A text that cannot be used is refused without a word of it: it holds the secret key.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from components.stores.errors import StoreError

KEY = "BucketInfo"
_FIELDS = ("endpoint", "accessKeyID", "accessSecretKey")
_CURE = "Cure: make COSI write it again: {again}; then run `pulumi up` again."


@dataclass(frozen=True, kw_only=True)
class BucketInfo:
    """A bucket and the key for it."""

    bucket: str
    endpoint: str
    """Address as the COSI driver knows it, which need not be the one that pods use."""
    access_key: str
    secret_key: str = field(repr=False)


def parse(text: str, where: str, again: str) -> BucketInfo:
    """Split the text found in the Secret `where`; StoreError that says what is wrong with it and never what it says."""
    spec = _spec(text, where, again)
    secret = spec.get("secretS3")
    if not isinstance(secret, dict):
        raise _unusable(where, "has no secretS3, so it is for another protocol than S3", again)
    missing = [f"spec.secretS3.{name}" for name in _FIELDS if not _text(secret.get(name))]
    missing += ["spec.bucketName"] if not _text(spec.get("bucketName")) else []
    if missing:
        raise _unusable(where, f"has no {' and no '.join(missing)}", again)
    return BucketInfo(
        bucket=spec["bucketName"], endpoint=secret["endpoint"], access_key=secret["accessKeyID"], secret_key=secret["accessSecretKey"]
    )


def _spec(text: str, where: str, again: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        raise _unusable(where, "is no JSON", again) from None
    spec = document.get("spec") if isinstance(document, dict) else None
    if not isinstance(spec, dict):
        raise _unusable(where, "has no spec", again)
    return spec


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _unusable(where: str, why: str, again: str) -> StoreError:
    return StoreError(
        f"the BucketInfo in the Secret {where} {why}: nobody could sign a request with it. {_CURE.format(again=again)}",
        code="cosi.bucket_info",
    )
