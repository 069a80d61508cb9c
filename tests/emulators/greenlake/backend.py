"""What the API's words mean on the S3 and IAM servers behind it."""

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.emulators.greenlake.keys import remove_keys, set_key
from tests.emulators.greenlake.record import Record

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

_PATH = "/greenlake/"
_EFFECTS = {"ALLOW": "Allow", "DENY": "Deny"}
SYSTEM_UID = "EMULATED"


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The real ones, and their administrator."""

    s3: str
    """https://host:port."""
    iam: str
    """https://host:port."""
    ca_file: Path
    administrator: tuple[str, str] = field(repr=False)
    """Access key and secret key."""
    iam_folder: Path
    """Where the IAM server keeps its file."""


def clients(s3: str, iam: str, ca_file: Path, administrator: tuple[str, str]) -> "tuple[S3Client, IAMClient]":
    """Return clients of both servers for their administrator, who is an access key and a secret key."""
    session = boto3.Session(*administrator, region_name="us-east-1")
    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard"})
    verify = str(ca_file)
    return (
        session.client("s3", endpoint_url=s3, verify=verify, config=config),
        session.client("iam", endpoint_url=iam, verify=verify, config=config),
    )


class Backend:
    """The servers, as their administrator."""

    def __init__(self, servers: Servers, home: Path) -> None:
        self._s3, self._iam = clients(servers.s3, servers.iam, servers.ca_file, servers.administrator)
        self._iam_folder = servers.iam_folder
        self._record = Record(home / "greenlake.json")
        self._applying = threading.RLock()

    def buckets(self) -> list[str]:
        """Every bucket of the store, also those that were not made here."""
        return [one["Name"] for one in self._s3.list_buckets()["Buckets"]]

    def bucket(self, name: str) -> dict[str, Any]:
        """Return the bucket as the API describes it."""
        known = self._record.read()["buckets"].get(name, {})
        versioning = self._s3.get_bucket_versioning(Bucket=name).get("Status", "Disabled")
        return {
            "id": identity("bucket", name),
            "name": name,
            "systemUid": SYSTEM_UID,
            "versioning": versioning,
            "compression": known.get("compression", "DISABLED") == "ENABLED",
            "tags": [{"key": key, "value": value} for key, value in self._tags(name).items()],
        }

    def _tags(self, name: str) -> dict[str, str]:
        try:
            found = self._s3.get_bucket_tagging(Bucket=name)["TagSet"]
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"].get("Code") == "NoSuchTagSet":
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in found}

    def make_bucket(self, body: Mapping[str, Any]) -> None:
        """As asked; fails where there is one of this name."""
        name, lock = body["name"], body.get("objectLockConfiguration") or {}
        if name in self.buckets():
            raise RuntimeError(f"bucket {name} already exists")
        tags = {tag["key"]: tag.get("value", "") for tag in (body.get("bucketTags") or []) + (body.get("tags") or [])}
        self._s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=bool(lock))
        self._set_tags(name, tags)
        if body.get("versioning") == "ENABLED":
            self._s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self._set_retention(name, (lock.get("rule") or {}).get("defaultRetention") or {})
        with self._record.change() as record:
            record["buckets"][name] = {"compression": body.get("compression", "DISABLED")}

    def _set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        self._s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def _set_retention(self, name: str, asked: Mapping[str, Any]) -> None:
        if asked.get("mode"):
            unit: dict[str, Any] = {key.title(): asked[key] for key in ("days", "years") if asked.get(key)}
            rule: Any = {"DefaultRetention": {"Mode": asked["mode"], **unit}}
            self._s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})

    def edit_bucket(self, name: str, body: Mapping[str, Any]) -> None:
        """Replace tags and compression where they are given."""
        if body.get("tags") is not None:
            self._set_tags(name, {tag["key"]: tag.get("value", "") for tag in body["tags"]})
        if "compression" in body:
            with self._record.change() as record:
                record["buckets"].setdefault(name, {})["compression"] = body["compression"]

    def delete_bucket(self, name: str) -> None:
        """Fails unless it is empty."""
        self._s3.delete_bucket(Bucket=name)
        with self._record.change() as record:
            record["buckets"].pop(name, None)

    def users(self) -> list[str]:
        """Return the names of the users that were made here."""
        pages = self._iam.get_paginator("list_users").paginate(PathPrefix=_PATH)
        return [user["UserName"] for page in pages for user in page["Users"]]

    def user(self, name: str) -> dict[str, Any]:
        """Return the user as the API describes it."""
        applied = ",".join(self._record.read()["applied"].get(name, []))
        return {"id": identity("user", name), "name": name, "systemUid": SYSTEM_UID, "policyName": applied}

    def make_user(self, name: str) -> str:
        """Return the secret of a new user."""
        self._iam.create_user(UserName=name, Path=_PATH)
        return set_key(self._iam_folder, name)

    def renew_secret(self, name: str) -> str:
        """Return a new secret; the old one is worth nothing from now on."""
        return set_key(self._iam_folder, name)

    def delete_user(self, name: str) -> None:
        """With its key and its policies."""
        remove_keys(self._iam_folder, name)
        with self._record.change() as record:
            record["applied"].pop(name, None)
        with self._applying:  # or another task, which refreshes every user, gives it a policy again in between
            self._apply(name, [], {})
            self._iam.delete_user(UserName=name)

    def policies(self) -> list[str]:
        """Return the names of the access policies."""
        return list(self._record.read()["policies"])

    def policy(self, name: str) -> dict[str, Any]:
        """Return the access policy as the API describes it."""
        return {"id": identity("policy", name), "name": name, "systemUid": SYSTEM_UID, **self._record.read()["policies"][name]}

    def put_policy(self, name: str, body: Mapping[str, Any], *, new: bool) -> None:
        """Make or change one; a change counts for every user that has it."""
        with self._record.change() as record:
            if new and name in record["policies"]:
                raise RuntimeError(f"access policy {name} already exists")
            record["policies"][name] = {"version": body["version"], "statement": body["statement"]}
        self._refresh(name)

    def delete_policy(self, name: str) -> None:
        """Take it away, from every user too."""
        with self._record.change() as record:
            record["policies"].pop(name, None)
            record["applied"] = {user: [one for one in names if one != name] for user, names in record["applied"].items()}
        with self._applying:
            for user in self.users():
                self._refresh_user(user)

    def apply(self, user: str, policies: Sequence[str]) -> None:
        """Let a user have these policies and no others."""
        with self._record.change() as record:
            missing = set(policies) - set(record["policies"])
            if missing:
                raise RuntimeError(f"no access policy {', '.join(sorted(missing))}")
            record["applied"][user] = list(policies)
        self._refresh_user(user)

    def _refresh(self, policy: str) -> None:
        with self._applying:
            for user, names in self._record.read()["applied"].items():
                if policy in names:
                    self._refresh_user(user)

    def _refresh_user(self, user: str) -> None:
        with self._applying:
            record = self._record.read()
            self._apply(user, record["applied"].get(user, []), record["policies"])

    def _apply(self, user: str, names: Sequence[str], policies: Mapping[str, Any]) -> None:
        for name in set(self._iam.list_user_policies(UserName=user)["PolicyNames"]) - set(names):
            self._iam.delete_user_policy(UserName=user, PolicyName=name)
        for name in names:
            self._iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=_document(policies[name]))


def identity(kind: str, name: str) -> str:
    """Return an id that is not the name, so that nobody takes the one for the other."""
    return str(uuid.UUID(hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:32]))


def _document(policy: Mapping[str, Any]) -> str:
    statements = [{"Effect": _EFFECTS[one["effect"]], "Action": one["action"], "Resource": one["resource"]} for one in policy["statement"]]
    return json.dumps({"Version": policy["version"], "Statement": statements})
