"""The four objects of COSI as manifests, from manifests.yaml.j2. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components.stores import BucketOptions
from components.stores.owned import OWNER_TAG
from components.templates import rendered

GROUP, VERSION = "objectstorage.k8s.io", "v1alpha1"
_KINDS = ("BucketClass", "BucketClaim", "BucketAccessClass", "BucketAccess")
PLURALS = {kind: f"{kind.lower()}{'es' if kind.endswith('s') else 's'}" for kind in _KINDS}
PARTS = ("apiVersion", "kind", "metadata", "spec", "driverName", "deletionPolicy", "authenticationType", "parameters")
"""Inputs of a resource that are its manifest; classes have their fields at the top."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Which COSI driver, and where it finds what it needs to know of the store."""

    driver_name: str  # such as cosi.hpe.com
    secret: str  # secret of the COSI driver's own: the store's address, its administrator's key, the API client
    secret_namespace: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What an object is called, and whose it is."""

    name: str
    namespace: pulumi.Input[str] | None  # None for the classes, which belong to the whole cluster
    owner: pulumi.Input[str]


def bucket_class(mark: Mark, backend: Backend, options: BucketOptions) -> dict[str, Any]:
    """Always Retain: COSI copies the policy when it makes the bucket, so a stack could never ask again to have it deleted."""
    if options.encryption is not None:
        raise ValueError("COSI knows no encryption of a bucket; the driver s3 does")
    tags = ", ".join(f"{key}={value}" for key, value in sorted(options.tags.items())) or None
    return _made("BucketClass", mark, backend=backend, options=options, tags=tags)


def bucket_claim(mark: Mark, class_name: pulumi.Input[str]) -> dict[str, Any]:
    """Ask for one new bucket."""
    return _made("BucketClaim", mark, class_name=class_name)


def access_class(mark: Mark, backend: Backend) -> dict[str, Any]:
    """Ask for keys."""
    return _made("BucketAccessClass", mark, backend=backend)


def bucket_access(mark: Mark, class_name: pulumi.Input[str], claim: str) -> dict[str, Any]:
    """Ask for one user of the claim's bucket; its key comes in a Secret of its own."""
    return _made("BucketAccess", mark, class_name=class_name, claim=claim)


def manifest(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Take the manifest out of the inputs of a resource."""
    return {part: inputs[part] for part in PARTS if part in inputs}


def place(inputs: Mapping[str, Any]) -> str:
    """Return namespace/name, or the name of a class."""
    return "/".join(inputs["metadata"][part] for part in ("namespace", "name") if inputs["metadata"].get(part))


def title(inputs: Mapping[str, Any]) -> str:
    """Return what a message calls it: kind and namespace/name."""
    return f"{inputs['kind']} {place(inputs)}"


def owner(inputs: Mapping[str, Any]) -> str:
    """Return our mark on an object; "" when there is none."""
    return str((inputs["metadata"].get("annotations") or {}).get(OWNER_TAG, ""))


def command(inputs: Mapping[str, Any], verb: str, *more: str) -> str:
    """Return a shell command about it."""
    space = inputs["metadata"].get("namespace")
    resource = f"{PLURALS[inputs['kind']]}.{GROUP}"
    return " ".join(["kubectl", *(["-n", space] if space else []), verb, resource, inputs["metadata"]["name"], *more])


def _made(kind: str, mark: Mark, **words: Any) -> dict[str, Any]:  # noqa: ANN401  as the template takes them
    fixed = {"group": GROUP, "version": VERSION, "owner_tag": OWNER_TAG}
    return dict(rendered(Path(__file__).with_suffix(".yaml.j2"), kind=kind, mark=mark, **fixed, **words)[0])
