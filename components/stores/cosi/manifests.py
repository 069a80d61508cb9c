"""The four objects of COSI as manifests, with the parameters as HPE's driver 2.0.0 spells them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.stores import BucketOptions
from components.stores.owned import OWNER_TAG

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

    def parameters(self) -> dict[str, str]:
        """Of both classes."""
        return {"cosiUserSecretName": self.secret, "cosiUserSecretNamespace": self.secret_namespace}


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
    parameters = {**backend.parameters(), "versioning": "Enabled" if options.versioned else "Disabled"}  # what is not set is the driver's
    if options.compressed is not None:
        parameters["compression"] = "Enabled" if options.compressed else "Disabled"
    if options.tags:
        parameters["bucketTags"] = ", ".join(f"{key}={value}" for key, value in sorted(options.tags.items()))
    if options.lock is not None:
        parameters |= {"locking": "Enabled", "retentionMode": options.lock.mode, "defaultRetentionInterval": f"{options.lock.days}d"}
    fields = {"driverName": backend.driver_name, "deletionPolicy": "Retain", "parameters": parameters}
    return {**_head("BucketClass", mark), **fields}


def bucket_claim(mark: Mark, class_name: pulumi.Input[str]) -> dict[str, Any]:
    """Ask for one new bucket."""
    return {**_head("BucketClaim", mark), "spec": {"bucketClassName": class_name, "protocols": ["s3"]}}


def access_class(mark: Mark, backend: Backend) -> dict[str, Any]:
    """Ask for keys, the only kind of access that HPE's driver has."""
    fields = {"driverName": backend.driver_name, "authenticationType": "Key"}
    return {**_head("BucketAccessClass", mark), **fields, "parameters": backend.parameters()}


def bucket_access(mark: Mark, class_name: pulumi.Input[str], claim: str) -> dict[str, Any]:
    """Ask for one user of the claim's bucket; its key comes in a Secret of its own."""
    names = {"bucketAccessClassName": class_name, "bucketClaimName": claim, "credentialsSecretName": f"{mark.name}-bucket-info"}
    return {**_head("BucketAccess", mark), "spec": {**names, "protocol": "s3"}}


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


def _head(kind: str, mark: Mark) -> dict[str, Any]:
    place = {"namespace": mark.namespace} if mark.namespace is not None else {}
    metadata = {"name": mark.name, **place, "annotations": {OWNER_TAG: mark.owner}}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": metadata}
