"""Users that the store has of an environment, against those of the state: one too many is a key that nobody will ever revoke."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.stores.s3 import LONGEST_USER
from stacks.settings import Settings
from stacks.settings.object_store import S3Settings
from stacks.wiring.object_store import s3_store

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def left_over(settings: Settings, known: Mapping[str, str]) -> list[str] | None:
    """Say what the store has besides the users in `known` (name to access key): users, and keys; None where it cannot be asked so.

    A user of these buckets is told by its name, as the driver gives it.
    """
    if not isinstance(settings.object_store, S3Settings):
        return None
    with s3_store(settings.object_store).server.iam() as iam:
        found = [user for user in _users(iam) if _is_of(user, (settings.milvus_bucket, settings.documents_bucket))]
        users = [f"user {user}" for user in found if user not in known]
        keys = [f"a key of {user}" for user in found if user in known for key in _keys(iam, user) if key != known[user]]
    return users + keys


def _users(iam: "IAMClient") -> list[str]:
    return [user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]]


def _keys(iam: "IAMClient", user: str) -> list[str]:
    return [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]


def _is_of(user: str, buckets: tuple[str, ...]) -> bool:
    """The bucket's name alone, or its beginning before an underscore, which no bucket's name holds."""
    return any(user == bucket or user.startswith(f"{bucket[:LONGEST_USER]}_") for bucket in buckets)
