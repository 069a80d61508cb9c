"""What the providers of COSI's objects share: made with our mark, compared, found again, removed."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from pulumi import dynamic

from components.dynamic_provider import OwnedProvider
from components.stores.cosi import manifests
from components.stores.cosi.objects import Objects, opened
from components.stores.errors import StoreError


class CosiProvider(OwnedProvider[Objects]):
    """Inputs: a manifest, `timeout_s`, what the subclass wants besides. Outputs: the same, and what COSI answered."""

    kind = "object of COSI"

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another name or namespace is another object; how long to wait is no property of it."""
        compared = super().diff(_id, _olds, {key: value for key, value in _news.items() if key != "timeout_s"})
        replaces = ["metadata"] if _moved(_olds["metadata"], _news["metadata"]) else []
        return dynamic.DiffResult(changes=compared.changes, replaces=replaces)

    def open(self, inputs: Mapping[str, Any], action: str) -> AbstractContextManager[Objects]:
        """Talk to the cluster."""
        _ = inputs, action  # each call says what it was about
        return opened()

    def name_of(self, inputs: Mapping[str, Any]) -> str:
        """Return namespace and name, or the name of a class."""
        return manifests.place(inputs)

    def make(self, api: Objects, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make it, or go on with what an interrupted run of the same stack began; return what COSI answered."""
        _ = name
        manifest = manifests.manifest(inputs)
        api.put(manifest, {manifests.owner(manifest)})
        return self.answer(api, inputs, {})

    def look(self, api: Objects, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return our annotations as they are."""
        _ = name
        manifest = manifests.manifest(outputs)
        there = api.find_ours(manifest, {"", manifests.owner(manifest)})
        if there is None:
            return None
        known = there["metadata"].get("annotations") or {}
        annotations = {key: known.get(key, "") for key in manifest["metadata"]["annotations"]}
        return {"metadata": {**manifest["metadata"], "annotations": annotations}}

    def change(self, api: Objects, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore it; refuse what cannot be changed, and one that is not there."""
        _ = name
        manifest = manifests.manifest(inputs)
        self.require_changeable(olds, inputs)
        if api.find(manifest) is None:
            raise StoreError(
                f"the {manifests.title(manifest)} is not there any more, and a new one would be of a new, empty bucket, since COSI "
                "names buckets itself. Cure: look whether this is the right cluster; if it was deleted on purpose, `pulumi refresh`, then "
                "`pulumi up`.",
                code="cosi.object_missing",
            )
        api.put(manifest, {"", manifests.owner(manifest), manifests.owner(olds)})
        return self.answer(api, inputs, olds)

    def remove(self, api: Objects, name: str, outputs: Mapping[str, Any]) -> None:
        """Remove it and wait for its end."""
        _ = name
        manifest = manifests.manifest(outputs)
        if api.find_ours(manifest, {"", manifests.owner(manifest)}) is not None:
            api.remove(manifest, outputs["timeout_s"])

    def answer(self, api: Objects, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs once COSI is ready."""
        _ = api, inputs, olds
        return {}

    def require_changeable(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Raise StoreError for a change that COSI would not follow."""


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether it is another object; what a preview does not know yet is no text, and no other name."""
    return any(isinstance(new.get(part), str) and new[part] != old.get(part) for part in ("namespace", "name"))
