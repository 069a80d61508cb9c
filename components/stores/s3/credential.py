"""A user that can touch one bucket, and its access key.

Owns the user, its inline policy and its keys. The store shows a secret key once, when it is made: a run that is killed between
making a key and recording it leaves a key that nobody knows; the next run removes it, so that the limit of two keys is never in
the way, and makes another. The user carries our mark from its first moment and a foreign one is refused.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import policy
from components.stores.errors import error_code, explained
from components.stores.owned import KEY_OUTPUTS, OWNER_TAG, Credential, require_ours
from components.stores.s3.server import S3Server

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_PATH = "/milvus-x10000/"
_POLICY_NAME = "one-bucket"


class S3CredentialProvider(OwnedProvider["IAMClient"]):
    """Inputs: those of S3Server, `user`, `policy` (canonical JSON), `owner`. Outputs: the same as found, and the key."""

    kind = "user"
    identity = ("user",)
    essential = "access_key"

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator["IAMClient"]:
        server = S3Server.of(inputs)
        with explained(server.iam_endpoint, action, server.admin_profile, service="IAM"), server.iam() as iam:
            yield iam

    def _make(self, api: "IAMClient", name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        self._ensure(api, name, inputs)
        return _new_key(api, name)

    def _look(self, api: "IAMClient", name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """A lost key reads as ""."""
        mark = self._find_mark(api, name, outputs, "")
        if mark is None:
            return None
        keys = api.list_access_keys(UserName=name)["AccessKeyMetadata"]
        active = any(key["AccessKeyId"] == outputs["access_key"] and key["Status"] == "Active" for key in keys)
        return {"owner": mark, "policy": _policy(api, name), **({} if active else dict.fromkeys(KEY_OUTPUTS, ""))}

    def _change(self, api: "IAMClient", name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a new key only where the old one is lost."""
        self._ensure(api, name, inputs, "", olds["owner"])
        return {key: olds[key] for key in (*KEY_OUTPUTS, "generation")} if olds["access_key"] else _new_key(api, name)

    def _remove(self, api: "IAMClient", name: str, outputs: Mapping[str, Any]) -> None:
        """A credential is no data, so it never outlives its stack."""
        if self._find_mark(api, name, outputs, "") is None:
            return
        _delete_keys(api, name)
        for inline in api.list_user_policies(UserName=name)["PolicyNames"]:
            api.delete_user_policy(UserName=name, PolicyName=inline)
        api.delete_user(UserName=name)

    def _find_mark(self, api: "IAMClient", name: str, inputs: Mapping[str, Any], *others: str) -> str | None:
        """Mark of the user, None where there is none; StoreError where it is neither its owner's nor one of `others`."""
        owner = inputs["owner"]
        try:
            tags = api.get_user(UserName=name)["User"].get("Tags", [])
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return None
            raise
        mark = next((tag["Value"] for tag in tags if tag["Key"] == OWNER_TAG), "")
        hand_over = S3Server.of(inputs).command("iam", "tag-user", "--user-name", name, "--tags", f"Key={OWNER_TAG},Value={owner}")
        require_ours(f"user {name!r}", mark, {owner, *others}, hand_over)
        return mark

    def _ensure(self, api: "IAMClient", name: str, inputs: Mapping[str, Any], *others: str) -> None:
        """Make or mark the user, and let it do what its policy says."""
        owner = inputs["owner"]
        mark = self._find_mark(api, name, inputs, *others)
        if mark is None:
            api.create_user(UserName=name, Path=_PATH, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        elif mark != owner:
            api.tag_user(UserName=name, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        api.put_user_policy(UserName=name, PolicyName=_POLICY_NAME, PolicyDocument=inputs["policy"])


class S3Credential(Credential, module="s3", name="Credential"):
    """One user on an S3 server, and its access key."""


def _policy(iam: "IAMClient", name: str) -> str:
    """Policy of a user as canonical JSON, "" when there is none."""
    try:
        return policy.canonical(iam.get_user_policy(UserName=name, PolicyName=_POLICY_NAME)["PolicyDocument"])
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return ""
        raise


def _delete_keys(iam: "IAMClient", name: str) -> None:
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])


def _new_key(iam: "IAMClient", name: str) -> dict[str, str]:
    """Make the key, where none is recorded: whatever is there is left over."""
    _delete_keys(iam, name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "generation": new_generation()}
