"""What is ours at a store: it carries the mark of its owner, and whatever carries another one, or none, is left alone.

Milvus deletes every object that its own metadata does not know: two installations on one bucket, or a new one on the bucket of an old
one, destroy data. So a bucket is marked in the call that makes it, and the mark is looked at before every change.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import pulumi
from pulumi import dynamic

from components.dynamic_provider import OwnedProvider
from components.stores.errors import StoreError

OWNER_TAG = "milvus-x10000/owner"
"""Tag on every bucket and user that is ours: project/stack/uid of the namespace."""
KEY_OUTPUTS = ("access_key", "secret_key")
"""Outputs of a credential that are secret."""

BucketsT = TypeVar("BucketsT", bound="Buckets")


def owner_of(tags: Sequence[Mapping[str, object]]) -> str:
    """Return our mark among the tags of a bucket or a user; "" when there is none."""
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == OWNER_TAG), "")


def require_ours(thing: str, mark: str, allowed: Collection[str], cure: str) -> None:
    """Raise StoreError for what another stack, or nobody that we know, has made; `cure` hands it over."""
    if mark in allowed:
        return
    whose = f"belongs to {mark!r}" if mark else "carries no mark of ours"
    raise StoreError(
        f"the {thing} exists already and {whose}: taking it over could destroy the data of somebody else, so it is left alone. "
        f"Cure: choose another name in <setting>, or, if it really is yours, hand it over: {cure}",
        code="store.not_ours",
    )


class Buckets(Protocol):
    """Buckets of one store, as its administrator."""

    def find(self, name: str) -> Any:  # noqa: ANN401  as the store describes a bucket
        """Return the bucket as the store describes it, None where there is none."""

    def owner(self, there: Any) -> str:  # noqa: ANN401  as above
        """Return the mark of a bucket that `find` returned."""

    def hand_over(self, name: str, owner: str) -> str:
        """Return what the operator does to hand the bucket over to `owner`."""

    def create(self, inputs: Mapping[str, Any]) -> None:
        """Make the bucket with its mark."""

    def configure(self, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        """Set mark and options, and look whether the store has done it."""

    def describe(self, there: Any, outputs: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401  as above
        """Return the options as they are; of the tags only those in `outputs`, since others are somebody else's."""

    def delete(self, name: str) -> None:
        """Delete the bucket with every object and version in it."""


class BucketProvider(OwnedProvider[BucketsT], Generic[BucketsT]):
    """Inputs: those of the store, `bucket`, `owner`, those of BucketOptions. Outputs: the same, as found."""

    kind = "bucket"
    identity = ("bucket",)
    place: str
    """Input that says where the store is, and setting that cures a wrong one."""

    def make(self, api: BucketsT, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make it, or finish what an interrupted run of the same stack began."""
        if find_ours(api, name, [inputs["owner"]]) is None:
            api.create(inputs)
        api.configure(inputs, {})
        return {}

    def look(self, api: BucketsT, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return owner and options as they are."""
        there = find_ours(api, name, [outputs["owner"], ""])
        return None if there is None else {"owner": api.owner(there), **api.describe(there, outputs)}

    def change(self, api: BucketsT, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore mark and options; refuse a store on which the bucket is not, since its data would be missing there."""
        if find_ours(api, name, [inputs["owner"], "", olds["owner"]]) is None:
            raise StoreError(
                f"{inputs[self.place]}: the bucket {name!r} is not there, and a new one would be empty. Cure: set <setting> to where it "
                "is; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`.",
                code="store.bucket_missing",
                setting=self.place,
            )
        api.configure(inputs, olds)
        return {}

    def remove(self, api: BucketsT, name: str, outputs: Mapping[str, Any]) -> None:
        """Delete it with its objects; Pulumi does not call this where the bucket is retained."""
        if find_ours(api, name, [outputs["owner"], ""]) is not None:
            api.delete(name)


def find_ours(api: Buckets, name: str, allowed: Sequence[str]) -> Any:  # noqa: ANN401  as the store describes a bucket
    """Return the bucket, None where there is none; StoreError where its mark is not one of `allowed`, the right one first."""
    there = api.find(name)
    if there is not None:
        require_ours(f"bucket {name!r}", api.owner(there), allowed, api.hand_over(name, allowed[0]))
    return there


class Bucket(dynamic.Resource):
    """One bucket of a store, marked as belonging to its owner."""

    bucket: pulumi.Output[str]
    """Its name."""


class Credential(dynamic.Resource):
    """A key of a store: both halves are secret in the state."""

    access_key: pulumi.Output[str]
    """Secret, like `secret_key`."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it, so pods may carry it to be restarted when the key changes."""

    def __init__(
        self, provider: dynamic.ResourceProvider, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(KEY_OUTPUTS))
        outputs = dict.fromkeys((*KEY_OUTPUTS, "generation"))
        super().__init__(provider, name, {**inputs, **outputs}, pulumi.ResourceOptions.merge(opts, secret))
