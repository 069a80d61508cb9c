"""What is ours at a store: it carries the mark of its owner, and whatever carries another one, or none, is left alone.

Milvus deletes every object that its own metadata does not know: two installations on one bucket, or a new one on the bucket of an old one,
destroy data. So a bucket is marked in the call that makes it, and the mark is looked at before every change.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Generic

import pulumi

from components.dynamic_provider import Api, DynamicResource, OwnedProvider
from components.stores.connection import StoreError

OWNER_TAG = "milvus-x10000/owner"  # tag on every bucket and user that is ours: project/stack/uid of the namespace
KEY_OUTPUTS = ("access_key", "secret_key")  # outputs of a credential that are secret


def require_ours(thing: str, mark: str, allowed: Collection[str], cure: str) -> None:
    """Raise StoreError for what another stack, or nobody that we know, has made; `cure` hands it over."""
    if mark in allowed:
        return
    whose = f"belongs to {mark!r}" if mark else "carries no mark of ours"
    raise StoreError.by_code("store.not_ours", thing=thing, whose=whose, cure=cure)


class BucketProvider(OwnedProvider[Api], Generic[Api]):
    """Inputs: those of the store, `bucket`, `owner`, those of BucketOptions. Outputs: the same, as found."""

    kind = "bucket"
    identity = ("bucket",)
    place: str  # input that says where the store is, and setting that cures a wrong one

    @abstractmethod
    def _tags(self, api: Api, name: str) -> Mapping[str, str] | None:
        """Return all tags of the bucket, None where there is no such bucket."""

    @abstractmethod
    def _hand_over(self, name: str, inputs: Mapping[str, Any]) -> str:
        """Return what the operator does to hand the bucket over to its owner."""

    @abstractmethod
    def _create(self, api: Api, inputs: Mapping[str, Any]) -> None:
        """Make the bucket with its mark."""

    @abstractmethod
    def _configure(self, api: Api, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        """Set mark and options, and look whether the store has done it."""

    @abstractmethod
    def _describe(self, api: Api, name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options but the tags, as they are."""

    @abstractmethod
    def _delete(self, api: Api, name: str, outputs: Mapping[str, Any]) -> None:
        """Delete the bucket with every object and version in it."""

    def _make(self, api: Api, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        if self._find_ours(api, name, inputs) is None:
            self._create(api, inputs)
        self._configure(api, inputs, {})
        return {}

    def _look(self, api: Api, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Of the tags only those in `outputs`: others are somebody else's."""
        tags = self._find_ours(api, name, outputs)
        if tags is None:
            return None
        ours = {key: tags[key] for key in outputs.get("tags", {}) if key in tags}
        return {"owner": tags[OWNER_TAG], "tags": ours, **self._describe(api, name, outputs)}

    def _change(self, api: Api, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse a store on which the bucket is not, since its data would be missing there."""
        if self._find_ours(api, name, inputs, olds["owner"]) is None:
            cure = "set <setting> to where it is; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`"
            text = f"{inputs[self.place]}: the bucket {name!r} is not there, and a new one would be empty. Cure: {cure}."
            raise StoreError(text, code="store.bucket_missing", setting=self.place)
        self._configure(api, inputs, olds)
        return {}

    def _remove(self, api: Api, name: str, outputs: Mapping[str, Any]) -> None:
        """Pulumi does not call this where the bucket is retained."""
        if self._find_ours(api, name, outputs) is not None:
            self._delete(api, name, outputs)

    def _find_ours(self, api: Api, name: str, inputs: Mapping[str, Any], *others: str) -> Mapping[str, str] | None:
        """Tags of the bucket, None where there is none; StoreError where its mark is neither its owner's nor one of `others`.

        One without a mark is nobody's, also under a name in the state: it may have been deleted and made again by somebody else.
        """
        tags = self._tags(api, name)
        if tags is not None:
            require_ours(f"bucket {name!r}", tags.get(OWNER_TAG, ""), {inputs["owner"], *others} - {""}, self._hand_over(name, inputs))
        return tags


def merge_tags(there: Mapping[str, str], inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a bucket with the operator's and our mark; others' stay, apart from those that left the settings."""
    gone = set(olds.get("tags", {})) - set(inputs["tags"])
    return {**{key: value for key, value in there.items() if key not in gone}, **inputs["tags"], OWNER_TAG: inputs["owner"]}


class Bucket(DynamicResource):
    """One bucket of a store, marked as belonging to its owner."""

    bucket: pulumi.Output[str]


class Credential(DynamicResource):
    """A key of a store: both halves are secret in the state."""

    results = (*KEY_OUTPUTS, "generation")
    secrets = KEY_OUTPUTS
    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it, so pods may carry it to be restarted when the key changes."""
