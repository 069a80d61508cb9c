"""A bucket by the GreenLake API. Refuses what this API cannot change afterwards: versions and lock are decided when it is made."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from components.stores import Permissions, StoreError, document, features, s3_client
from components.stores.connection import OF_MADE_USER, explained
from components.stores.greenlake.api import GreenLakeSystem, Session, make_once
from components.stores.greenlake.credential import GreenLakeUsers, user_name
from components.stores.owned import OWNER_TAG, Bucket, BucketProvider, merge_tags

_COLLECTION = "buckets"
_ENABLED = "ENABLED"
_EVERYTHING = Permissions(bucket_actions=("s3:*",), object_actions=("s3:*",))
_SETTLE_S = 10.0


class GreenLakeBucketProvider(BucketProvider[Session]):
    """Inputs: those of GreenLakeSystem, `bucket`, `owner`, those of BucketOptions but `encryption`. Outputs: the same, as found."""

    place = "system_id"

    def _open(self, inputs: Mapping[str, Any], _action: str) -> AbstractContextManager[Session]:
        """Open the API: each call says what it was about."""
        return GreenLakeSystem.of(inputs).session()

    def _tags(self, api: Session, name: str) -> Mapping[str, str] | None:
        bucket = api.find(_COLLECTION, name)
        return None if bucket is None else _tags(bucket)

    def _hand_over(self, _name: str, inputs: Mapping[str, Any]) -> str:
        return f"set its tag {OWNER_TAG} to {inputs['owner']!r} in HPE GreenLake, or by the S3 API"

    def _create(self, api: Session, inputs: Mapping[str, Any]) -> None:
        name = inputs["bucket"]
        what = f"make the bucket {name!r}"

        def make() -> Mapping[str, str]:
            api.submit("POST", _COLLECTION, what, _body(inputs))
            return self._tags(api, name) or {}

        if not make_once(lambda: self._find_ours(api, name, inputs), make, what):
            raise StoreError.by_code("greenlake.bucket_missing", what=what)

    def _configure(self, api: Session, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        """Change what can be changed; believe the effect, not the status."""
        name = inputs["bucket"]
        there = api.find(_COLLECTION, name) or {}
        fixed = {"versioned": _is_versioned(there), "lock": olds.get("lock", inputs["lock"])}
        if wrong := {key: value for key, value in fixed.items() if value != inputs[key]}:
            raise StoreError.by_code("greenlake.fixed_option", name=name, wrong=wrong, asked={key: inputs[key] for key in wrong})
        tags, compressed = merge_tags(_tags(there), inputs, olds), inputs.get("compressed")
        edit = {} if tags == _tags(there) else {"tags": _as_list(tags)}
        if compressed is not None and bool(there.get("compression")) != compressed:
            edit |= _compression(inputs)
        if edit:
            api.submit("PUT", f"{_COLLECTION}/{there['id']}", f"change the bucket {name!r}", edit)

    def _describe(self, api: Session, name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The API does not tell the lock of a bucket."""
        there = api.find(_COLLECTION, name) or {}
        compressed = bool(there.get("compression")) if outputs.get("compressed") is not None else None
        return {"versioned": _is_versioned(there), "compressed": compressed}

    def _remove(self, api: Session, name: str, outputs: Mapping[str, Any]) -> None:
        """The user that empties it is gone afterwards, also one that a killed run left."""
        try:
            super()._remove(api, name, outputs)
        finally:
            GreenLakeUsers(api).remove(user_name(name, outputs["owner"], "delete"))

    def _delete(self, api: Session, name: str, outputs: Mapping[str, Any]) -> None:
        """Empty it with the key of a user that is made for this alone, as no user of ours may destroy old versions."""
        system, user = GreenLakeSystem.of(outputs), user_name(name, outputs["owner"], "delete")
        key = GreenLakeUsers(api).make(user, document(name, _EVERYTHING))
        refusals, action = dict.fromkeys(features.REFUSED_KEY, OF_MADE_USER["greenlake"]), f"empty the bucket {name!r}"
        with explained(system.endpoint, action, refusals, system=system.system_id), s3_client(system, user, key) as s3:
            features.wait_until_accepted(s3, name, _SETTLE_S)
            features.empty(s3, name)
        api.delete(_COLLECTION, name, "bucket")


class GreenLakeBucket(Bucket, module="greenlake", name="Bucket"):
    """One bucket on an X10000."""


def _body(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the API is asked for: the mark is in the call that makes the bucket."""
    body: dict[str, Any] = {"name": inputs["bucket"], "bucketTags": _as_list({**inputs["tags"], OWNER_TAG: inputs["owner"]})}
    if inputs.get("compressed") is not None:
        body |= _compression(inputs)
    if inputs["versioned"]:
        body["versioning"] = _ENABLED
    if inputs["lock"]:
        retention = {"mode": inputs["lock"]["mode"], "days": int(inputs["lock"]["days"])}
        body["objectLockConfiguration"] = {"objectLockEnabled": _ENABLED, "rule": {"defaultRetention": retention}}
    return body


def _compression(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"compression": _ENABLED if inputs["compressed"] else "DISABLED"}


def _is_versioned(there: Mapping[str, Any]) -> bool:
    return str(there.get("versioning", "")).upper() == _ENABLED


def _tags(there: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in there.get("tags") or []}


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
