"""A bucket that is ours: made with our mark among its tags, like the options say; emptied and deleted only when that is asked for.

Refuses a bucket with another mark or none, as `components.s3.bucket` does, and what this API cannot change afterwards: versions and
object lock are decided when a bucket is made.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.bucket_options import BucketOptions
from components.dynamic_provider import inputs_of
from components.greenlake.emptying import emptied
from components.greenlake.making import done, once
from components.greenlake.session import Session
from components.greenlake.system import System
from components.s3.errors import StoreError
from components.s3.provider import StoreProvider, require_ours
from components.s3.store import OWNER_TAG

_COLLECTION = "buckets"
_ENABLED = "ENABLED"
_MISSING = (
    "{system}: the bucket {bucket!r} is not there, and a new one would be empty. Cure: set milvus-x10000:object_store.system_id to the "
    "system that has it; if it was deleted on purpose, run `pulumi refresh` and then `pulumi up`."
)
_FIXED = (
    "the bucket {bucket!r} was made with {found}, now {wanted} is asked for, and the GreenLake API cannot change that afterwards. "
    "Cure: set it back, or change the bucket with the S3 API, or choose another name and copy the objects over."
)


class GreenLakeBucketProvider(StoreProvider):
    """Inputs: those of System, `bucket`, `owner`, those of BucketOptions. Outputs: the same, as found."""

    identity = "bucket"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        name = inputs["bucket"]
        with System.of(inputs).session() as session:
            once(lambda: _ours(session, name, {inputs["owner"]}), lambda: _made(session, inputs), f"make the bucket {name!r}")
            _set(session, inputs, {})
        return dynamic.CreateResult(name, inputs)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there."""
        inputs = inputs_of(props)
        with System.of(inputs).session() as session:
            there = _ours(session, id_, {"", inputs["owner"]})
        return dynamic.ReadResult("", {}) if there is None else dynamic.ReadResult(id_, {**inputs, **_found(there, inputs)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore mark and options; refuse a system on which the bucket is not, since its data would be missing there."""
        inputs = inputs_of(_news)
        with System.of(inputs).session() as session:
            if _ours(session, _id, {"", inputs["owner"], _olds["owner"]}) is None:
                raise StoreError(_MISSING.format(system=inputs["system_id"], bucket=_id))
            _set(session, inputs, inputs_of(_olds))
        return dynamic.UpdateResult(inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete it with every object and version in it; Pulumi does not call this where the bucket is retained."""
        system = System.of(_props)
        with system.session() as session, emptied(session, system, _id, _props["owner"]) as empty:
            there = _ours(session, _id, {"", _props["owner"]})
            if there is not None:
                empty()
                what = f"delete the bucket {_id!r}"
                done(session, session.ask("DELETE", f"{_COLLECTION}/{there['id']}", what).json(), what)


class GreenLakeBucket(dynamic.Resource, module="greenlake", name="Bucket"):
    """One bucket on `system`, marked as belonging to `owner`."""

    bucket: pulumi.Output[str]
    """Its name."""

    def __init__(
        self,
        name: str,
        *,
        system: System,
        bucket: str,
        options: BucketOptions,
        owner: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        if options.encryption is not None:
            raise ValueError("the GreenLake API knows no encryption of a bucket; the driver s3 does")
        wanted = {key: value for key, value in options.inputs().items() if key != "encryption"}
        super().__init__(GreenLakeBucketProvider(), name, {**system.inputs(), "bucket": bucket, **wanted, "owner": owner}, opts)


def _ours(session: Session, name: str, allowed: set[str]) -> dict[str, Any] | None:
    there = session.find(_COLLECTION, name)
    if there is not None:
        cure = f"set its tag {OWNER_TAG} to {max(allowed)!r} in HPE GreenLake, or by the S3 API"
        require_ours(f"bucket {name!r}", _tags(there).get(OWNER_TAG, ""), allowed, cure)
    return there


def _made(session: Session, inputs: Mapping[str, Any]) -> dict[str, Any]:
    what = f"make the bucket {inputs['bucket']!r}"
    body: dict[str, Any] = {"name": inputs["bucket"], "bucketTags": _as_list({**inputs["tags"], OWNER_TAG: inputs["owner"]})}
    if inputs.get("compressed") is not None:
        body["compression"] = _ENABLED if inputs.get("compressed") else "DISABLED"
    if inputs["versioned"]:
        body["versioning"] = _ENABLED
    if inputs["lock"]:
        retention = {"mode": inputs["lock"]["mode"], "days": int(inputs["lock"]["days"])}
        body["objectLockConfiguration"] = {"objectLockEnabled": _ENABLED, "rule": {"defaultRetention": retention}}
    done(session, session.ask("POST", _COLLECTION, what, body=body).json(), what)
    there = session.find(_COLLECTION, inputs["bucket"])
    if there is None:
        raise StoreError(f"cannot {what}: its task has succeeded, and the bucket is not there. Cure: see HPE GreenLake, Tasks.")
    return there


def _set(session: Session, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Change what can be changed; believe the effect, not the status."""
    name = inputs["bucket"]
    there = session.find(_COLLECTION, name) or {}
    fixed = {"versioned": _is_versioned(there), "lock": before.get("lock", inputs["lock"])}
    wrong = {key: value for key, value in fixed.items() if value != inputs[key]}
    if wrong:
        raise StoreError(_FIXED.format(bucket=name, found=wrong, wanted={key: inputs[key] for key in wrong}))
    gone = set(before.get("tags", {})) - set(inputs["tags"])
    tags = {**{key: value for key, value in _tags(there).items() if key not in gone}, **inputs["tags"], OWNER_TAG: inputs["owner"]}
    edit: dict[str, Any] = {} if tags == _tags(there) else {"tags": _as_list(tags)}
    if inputs.get("compressed") is not None and bool(there.get("compression")) != inputs.get("compressed"):
        edit["compression"] = _ENABLED if inputs.get("compressed") else "DISABLED"
    if edit:
        what = f"change the bucket {name!r}"
        done(session, session.ask("PUT", f"{_COLLECTION}/{there['id']}", what, body=edit).json(), what)


def _found(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are; the API does not tell the lock of a bucket."""
    tags = _tags(there)
    compressed = bool(there.get("compression")) if wanted.get("compressed") is not None else None
    return {
        "owner": tags.get(OWNER_TAG, ""),
        "versioned": _is_versioned(there),
        "compressed": compressed,
        "tags": {key: tags[key] for key in wanted["tags"] if key in tags},
    }


def _is_versioned(there: Mapping[str, Any]) -> bool:
    return str(there.get("versioning", "")).upper() == _ENABLED


def _tags(there: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in there.get("tags") or []}


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
