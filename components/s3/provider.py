"""What the providers of stores share: how they compare, whom they may touch."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import dynamic

from components.dynamic_provider import PROVIDER_KEY, Provider
from components.s3.errors import StoreError
from components.s3.store import OWNER_TAG, Store


class StoreProvider(Provider):
    """Base of those that make things at a store, one of whose inputs makes another thing."""

    identity: str
    """The input that cannot change without making another thing."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare what is there (after a refresh: what was found) with what is wanted."""
        changed = [key for key in _news if key != PROVIDER_KEY and _olds.get(key) != _news[key]]
        replaces = [self.identity] if self.identity in changed else []
        return dynamic.DiffResult(changes=bool(changed) or self.incomplete(_olds), replaces=replaces)

    def incomplete(self, outputs: Mapping[str, Any]) -> bool:
        """Whether something that no input names is missing."""
        _ = outputs
        return False


def owner_of(tags: Sequence[Mapping[str, object]]) -> str:
    """Our mark among the tags of a bucket or a user; "" when there is none."""
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == OWNER_TAG), "")


def require_ours(thing: str, found: str, allowed: set[str], cure: str) -> None:
    """Refuse to touch what another stack, or nobody that we know, has made."""
    if found in allowed:
        return
    whose = f"belongs to {found!r}" if found else "carries no mark of ours"
    raise StoreError(
        f"the {thing} exists already and {whose}: taking it over could destroy the data of somebody else, so it is left alone. "
        f"Cure: choose another name in milvus-x10000:object_store, or, if it really is yours, hand it over: {cure}"
    )


def tagging_command(store: Store, bucket: str, owner: str) -> str:
    """Shell command that hands a bucket over to `owner`."""
    tags = f"TagSet=[{{Key={OWNER_TAG},Value={owner}}}]"
    return _aws(store, store.endpoint, "s3api", "put-bucket-tagging", "--bucket", bucket, "--tagging", tags)


def user_tagging_command(store: Store, user: str, owner: str) -> str:
    """Shell command that hands a user over to `owner`."""
    tags = f"Key={OWNER_TAG},Value={owner}"
    return _aws(store, store.iam_endpoint, "iam", "tag-user", "--user-name", user, "--tags", tags)


def _aws(store: Store, endpoint: str, *words: str) -> str:
    return shlex.join(["aws", "--profile", store.admin_profile, "--endpoint-url", endpoint, *words])
