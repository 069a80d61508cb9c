"""A user that can touch one bucket, and its access key.

Owns the user, its inline policy and its keys. The store shows a secret key once, when it is made: a run that is killed between
making a key and recording it leaves a key that nobody knows; the next run removes it, so that the limit of two keys is never in
the way, and makes another. The user carries our mark from its first moment and a foreign one is refused.
"""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from botocore.exceptions import ClientError
from pulumi import dynamic

from components.dynamic_provider import inputs_of
from components.s3 import policy as policies
from components.s3.errors import code, explained
from components.s3.provider import StoreProvider, owner_of, require_ours, user_tagging_command
from components.s3.store import OWNER_TAG, Store

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import UserTypeDef

_PATH = "/milvus-x10000/"
_POLICY_NAME = "one-bucket"
_SECRET_OUTPUTS = ["access_key", "secret_key"]
_GENERATION_BYTES = 6


class CredentialProvider(StoreProvider):
    """Inputs: those of Store, `user`, `policy` (canonical JSON), `owner`. Outputs: the same as found, and the key."""

    identity = "user"

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make user, policy and key, or finish what an interrupted run of the same stack began."""
        inputs = inputs_of(props)
        store, user = Store.of(inputs), inputs["user"]
        with explained(store, "IAM", f"make the user {user!r}"), store.iam() as iam:
            _ensure_user(iam, store, user, inputs["owner"], {inputs["owner"]})
            iam.put_user_policy(UserName=user, PolicyName=_POLICY_NAME, PolicyDocument=inputs["policy"])
            return dynamic.CreateResult(user, {**inputs, **_new_key(iam, user)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there: a lost key reads as "", a changed policy as what it became."""
        outputs = inputs_of(props)
        store, owner = Store.of(outputs), outputs["owner"]
        with explained(store, "IAM", f"look at the user {id_!r}"), store.iam() as iam:
            found = _user(iam, id_)
            if found is None:
                return dynamic.ReadResult("", {})
            require_ours(f"user {id_!r}", owner_of(found.get("Tags", [])), {"", owner}, user_tagging_command(store, id_, owner))
            outputs |= {"owner": owner_of(found.get("Tags", [])), "policy": _policy(iam, id_)}
            if outputs["access_key"] not in _active_keys(iam, id_):
                outputs |= {"access_key": "", "secret_key": ""}
        return dynamic.ReadResult(id_, outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore mark and policy; make a new key only where the old one is lost."""
        inputs = inputs_of(_news)
        store = Store.of(inputs)
        with explained(store, "IAM", f"change the user {_id!r}"), store.iam() as iam:
            _ensure_user(iam, store, _id, inputs["owner"], {"", inputs["owner"], _olds["owner"]})
            iam.put_user_policy(UserName=_id, PolicyName=_POLICY_NAME, PolicyDocument=inputs["policy"])
            kept = {name: _olds[name] for name in (*_SECRET_OUTPUTS, "generation")}
            return dynamic.UpdateResult({**inputs, **(_new_key(iam, _id) if self.incomplete(_olds) else kept)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete user, policies and keys: a credential is no data, so it never outlives its stack."""
        store, owner = Store.of(_props), _props["owner"]
        with explained(store, "IAM", f"delete the user {_id!r}"), store.iam() as iam:
            found = _user(iam, _id)
            if found is None:
                return
            require_ours(f"user {_id!r}", owner_of(found.get("Tags", [])), {"", owner}, user_tagging_command(store, _id, owner))
            _delete_keys(iam, _id)
            for name in iam.list_user_policies(UserName=_id)["PolicyNames"]:
                iam.delete_user_policy(UserName=_id, PolicyName=name)
            iam.delete_user(UserName=_id)

    def incomplete(self, outputs: Mapping[str, Any]) -> bool:
        """Tell whether a refresh found that the key is gone or inactive."""
        return not outputs.get("access_key")


class Credential(dynamic.Resource, module="s3", name="Credential"):
    """One user on `store`, with the right to do what `policy` says, and its access key."""

    access_key: pulumi.Output[str]
    """Secret in the state, like the secret key: half of a credential is nobody's business."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it, so pods may carry it to be restarted when the key changes."""

    def __init__(
        self, name: str, *, store: Store, user: str, policy: str, owner: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = {"access_key": None, "secret_key": None, "generation": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=_SECRET_OUTPUTS)
        inputs = {**store.inputs(), "user": user, "policy": policy, "owner": owner}
        super().__init__(CredentialProvider(), name, {**inputs, **outputs}, pulumi.ResourceOptions.merge(opts, secret))


def _user(iam: "IAMClient", name: str) -> "UserTypeDef | None":
    try:
        return iam.get_user(UserName=name)["User"]
    except ClientError as error:
        if code(error) == "NoSuchEntity":
            return None
        raise


def _ensure_user(iam: "IAMClient", store: Store, name: str, owner: str, allowed: set[str]) -> None:
    found = _user(iam, name)
    if found is None:
        iam.create_user(UserName=name, Path=_PATH, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        return
    mark = owner_of(found.get("Tags", []))
    require_ours(f"user {name!r}", mark, allowed, user_tagging_command(store, name, owner))
    if mark != owner:
        iam.tag_user(UserName=name, Tags=[{"Key": OWNER_TAG, "Value": owner}])


def _policy(iam: "IAMClient", user: str) -> str:
    """Canonical JSON, "" when there is none."""
    try:
        return policies.canonical(iam.get_user_policy(UserName=user, PolicyName=_POLICY_NAME)["PolicyDocument"])
    except ClientError as error:
        if code(error) == "NoSuchEntity":
            return ""
        raise


def _active_keys(iam: "IAMClient", user: str) -> set[str]:
    keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return {key["AccessKeyId"] for key in keys if key["Status"] == "Active"}


def _delete_keys(iam: "IAMClient", user: str) -> None:
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def _new_key(iam: "IAMClient", user: str) -> dict[str, str]:
    """Make the key, where none is recorded: whatever is there is left over."""
    _delete_keys(iam, user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "generation": secrets.token_hex(_GENERATION_BYTES)}
