"""COSI's objects as resources: made with our mark, compared, found again, removed; the class and the claim of a bucket among them.

Refuses other options for a bucket that is there: COSI reads a class once, when it makes a bucket of it, and would change nothing.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import OwnedProvider
from components.stores import StoreError
from components.stores.cosi import manifests
from components.stores.cosi.objects import Objects, opened
from components.stores.owned import Bucket


class CosiProvider(OwnedProvider[Objects]):
    """Inputs: a manifest, `timeout_s`, what the subclass wants besides. Outputs: the same, and what COSI answered."""

    kind = "object of COSI"
    fixed: tuple[str, ...] = ()  # parts of the manifest that COSI would not follow when they change

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another name or namespace is another object; how long to wait is no property of it."""
        compared = super().diff(_id, _olds, {key: value for key, value in _news.items() if key != "timeout_s"})
        old, new = _olds["metadata"], _news["metadata"]
        # what a preview does not know yet is no text, and no other name
        moved = any(isinstance(new.get(part), str) and new[part] != old.get(part) for part in ("namespace", "name"))
        return dynamic.DiffResult(changes=compared.changes, replaces=["metadata"] if moved else [])

    def _open(self, _inputs: Mapping[str, Any], _action: str) -> AbstractContextManager[Objects]:
        """Talk to the cluster: each call says what it was about."""
        return opened()

    def _name(self, inputs: Mapping[str, Any]) -> str:
        return manifests.place(inputs)

    def _make(self, api: Objects, _name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        manifest = manifests.manifest(inputs)
        api.put(manifest, {manifests.owner(manifest)})
        return self._answer(api, inputs, {})

    def _look(self, api: Objects, _name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        manifest = manifests.manifest(outputs)
        there = api.find_ours(manifest, {"", manifests.owner(manifest)})
        if there is None:
            return None
        known = there["metadata"].get("annotations") or {}
        annotations = {key: known.get(key, "") for key in manifest["metadata"]["annotations"]}
        return {"metadata": {**manifest["metadata"], "annotations": annotations}}

    def _change(self, api: Objects, _name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        manifest = manifests.manifest(inputs)
        before = {key: olds[key] for key in self.fixed if olds[key] != inputs[key]}
        if before:
            raise StoreError.by_code(
                "cosi.fixed_option", title=manifests.title(inputs), before=before, asked={key: inputs[key] for key in before}
            )
        if api.find(manifest) is None:
            raise StoreError.by_code("cosi.object_missing", title=manifests.title(manifest))
        api.put(manifest, {"", manifests.owner(manifest), manifests.owner(olds)})
        return self._answer(api, inputs, olds)

    def _remove(self, api: Objects, _name: str, outputs: Mapping[str, Any]) -> None:
        manifest = manifests.manifest(outputs)
        if api.find_ours(manifest, {"", manifests.owner(manifest)}) is not None:
            api.remove(manifest, outputs["timeout_s"])

    def _answer(self, _api: Objects, _inputs: Mapping[str, Any], _olds: Mapping[str, Any]) -> dict[str, Any]:
        return {}


class BucketClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketClass."""

    fixed = ("driverName", "parameters")


class BucketClass(dynamic.Resource, module="cosi", name="BucketClass"):
    """What the driver is told when it makes the bucket."""

    metadata: pulumi.Output[dict[str, Any]]


class BucketClaimProvider(CosiProvider):
    """Inputs: the manifest of a BucketClaim. Outputs: the same, and `bucket`, the name that COSI gave."""

    fixed = ("spec",)

    def _answer(self, api: Objects, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the bucket; refuse another one than it was."""
        manifest = manifests.manifest(inputs)
        bucket = api.status(manifest, "bucketReady", inputs["timeout_s"], needs=["bucketName"])["bucketName"]
        if olds and olds["bucket"] != bucket:
            raise StoreError.by_code("cosi.another_bucket/claim", title=manifests.title(manifest), bucket=bucket, before=olds["bucket"])
        return {"bucket": bucket}


class BucketClaim(Bucket, module="cosi", name="BucketClaim"):
    """One bucket, which COSI names."""


class AccessClassProvider(CosiProvider):
    """Inputs: the manifest of a BucketAccessClass."""


class BucketAccessClass(dynamic.Resource, module="cosi", name="BucketAccessClass"):
    """What the driver is told when it makes a user."""

    metadata: pulumi.Output[dict[str, Any]]
