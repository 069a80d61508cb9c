"""A bucket by the GreenLake API. Refuses what this API cannot change afterwards: versions and lock are decided when it is made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.stores import features
from components.stores.connection import s3_client
from components.stores.errors import Cause, StoreError, explained_for_user
from components.stores.greenlake.api import Session, make_once
from components.stores.greenlake.credential import GreenLakeUsers, user_name
from components.stores.greenlake.system import GreenLakeSystem
from components.stores.owned import OWNER_TAG, Bucket, BucketProvider, find_ours
from components.stores.policy import Permissions, document

_COLLECTION = "buckets"
_ENABLED = "ENABLED"
_EVERYTHING = Permissions(bucket_actions=("s3:*",), object_actions=("s3:*",))
_SETTLE_S = 10.0


@dataclass(frozen=True)
class GreenLakeBuckets:
    """Buckets of one system; a bucket is described as the API describes it."""

    system: GreenLakeSystem
    session: Session

    def find(self, name: str) -> dict[str, Any] | None:
        """Return the item of that name."""
        return self.session.find(_COLLECTION, name)

    def owner(self, there: Mapping[str, Any]) -> str:
        """Return the mark among its tags."""
        return _tags(there).get(OWNER_TAG, "")

    def hand_over(self, _: str, owner: str) -> str:
        """Return what to do in HPE GreenLake."""
        return f"set its tag {OWNER_TAG} to {owner!r} in HPE GreenLake, or by the S3 API"

    def create(self, inputs: Mapping[str, Any]) -> None:
        """Make it, once, whatever happens to the answer."""
        name, owner = inputs["bucket"], inputs["owner"]
        what = f"make the bucket {name!r}"

        def make() -> Any:  # noqa: ANN401  as the API describes a bucket
            self.session.submit("POST", _COLLECTION, what, _body(inputs))
            return self.find(name) or {}

        if not make_once(lambda: find_ours(self, name, [owner]), make, what):
            raise StoreError(
                f"cannot {what}: its task has succeeded, and the bucket is not there. Cure: see HPE GreenLake, Tasks.",
                code="greenlake.bucket_missing",
            )

    def configure(self, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        """Change what can be changed; believe the effect, not the status."""
        name = inputs["bucket"]
        there = self.find(name) or {}
        fixed = {"versioned": _is_versioned(there), "lock": olds.get("lock", inputs["lock"])}
        if wrong := {key: value for key, value in fixed.items() if value != inputs[key]}:
            raise StoreError(
                f"the bucket {name!r} was made with {wrong}, now { {key: inputs[key] for key in wrong} } is asked for, and the GreenLake "
                "API cannot change that afterwards. Cure: set it back, or change the bucket with the S3 API, or choose another name and "
                "copy the objects over.",
                code="greenlake.fixed_option",
            )
        if edit := _edit(there, inputs, olds):
            self.session.submit("PUT", f"{_COLLECTION}/{there['id']}", f"change the bucket {name!r}", edit)

    def describe(self, there: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as they are; the API does not tell the lock of a bucket."""
        tags = _tags(there)
        return {
            "versioned": _is_versioned(there),
            "compressed": bool(there.get("compression")) if outputs.get("compressed") is not None else None,
            "tags": {key: tags[key] for key in outputs["tags"] if key in tags},
        }

    def delete(self, name: str) -> None:
        """Delete it once it is empty."""
        if there := self.find(name):
            self.session.submit("DELETE", f"{_COLLECTION}/{there['id']}", f"delete the bucket {name!r}")

    def empty(self, name: str, user: str) -> None:
        """Make the user `user` for this alone, as no user of ours may destroy old versions, and empty the bucket with its key."""
        key = GreenLakeUsers(self.session).make(user, document(name, _EVERYTHING))
        refused = Cause(
            "greenlake.key_refused",
            "it refuses a user that was made for it ({detail}). Cure: check that <setting> is the S3 API of the system "
            f"{self.system.system_id}.",
            "endpoint",
        )
        by_code = dict.fromkeys(features.REFUSED_KEY, refused)
        with explained_for_user(self.system.endpoint, f"empty the bucket {name!r}", user, by_code), s3_client(self.system, user, key) as s3:
            features.wait_until_accepted(s3, name, _SETTLE_S)
            features.empty(s3, name)


class GreenLakeBucketProvider(BucketProvider[GreenLakeBuckets]):
    """Inputs: those of GreenLakeSystem, `bucket`, `owner`, those of BucketOptions but `encryption`. Outputs: the same, as found."""

    place = "system_id"

    @contextmanager
    def open(self, inputs: Mapping[str, Any], action: str) -> Iterator[GreenLakeBuckets]:
        """Open the API, as the API client of this machine."""
        _ = action  # each call says what it was about
        system = GreenLakeSystem.of(inputs)
        with system.session() as session:
            yield GreenLakeBuckets(system, session)

    def remove(self, api: GreenLakeBuckets, name: str, outputs: Mapping[str, Any]) -> None:
        """Empty and delete it; the user that empties it is gone afterwards, also one that a killed run left."""
        user = user_name(name, outputs["owner"], "delete")
        try:
            if find_ours(api, name, [outputs["owner"], ""]) is not None:
                api.empty(name, user)
                api.delete(name)
        finally:
            GreenLakeUsers(api.session).remove(user)


class GreenLakeBucket(Bucket, module="greenlake", name="Bucket"):
    """One bucket on an X10000."""


def _body(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API is asked for: the mark is in the call that makes the bucket."""
    body: dict[str, Any] = {"name": inputs["bucket"], "bucketTags": _as_list({**inputs["tags"], OWNER_TAG: inputs["owner"]})}
    if inputs.get("compressed") is not None:
        body["compression"] = _ENABLED if inputs["compressed"] else "DISABLED"
    if inputs["versioned"]:
        body["versioning"] = _ENABLED
    if inputs["lock"]:
        retention = {"mode": inputs["lock"]["mode"], "days": int(inputs["lock"]["days"])}
        body["objectLockConfiguration"] = {"objectLockEnabled": _ENABLED, "rule": {"defaultRetention": retention}}
    return body


def _edit(there: Mapping[str, Any], inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs; others' tags stay, apart from those that left the settings."""
    gone = set(olds.get("tags", {})) - set(inputs["tags"])
    tags = {**{key: value for key, value in _tags(there).items() if key not in gone}, **inputs["tags"], OWNER_TAG: inputs["owner"]}
    edit: dict[str, Any] = {} if tags == _tags(there) else {"tags": _as_list(tags)}
    if inputs.get("compressed") is not None and bool(there.get("compression")) != inputs["compressed"]:
        edit["compression"] = _ENABLED if inputs["compressed"] else "DISABLED"
    return edit


def _is_versioned(there: Mapping[str, Any]) -> bool:
    return str(there.get("versioning", "")).upper() == _ENABLED


def _tags(there: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in there.get("tags") or []}


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
