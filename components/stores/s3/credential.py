"""A user that can touch one bucket, and its access key.

Owns the user, its inline policy and its keys. The store shows a secret key once, when it is made: a run that is killed between
making a key and recording it leaves a key that nobody knows; the next run removes it, so that the limit of two keys is never in
the way, and makes another. The user carries our mark from its first moment and a foreign one is refused.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import policy
from components.stores.errors import error_code, explained
from components.stores.owned import KEY_OUTPUTS, OWNER_TAG, Credential, owner_of, require_ours
from components.stores.s3.server import S3Server

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import UserTypeDef

_PATH = "/milvus-x10000/"
_POLICY_NAME = "one-bucket"


@dataclass(frozen=True)
class S3Users:
    """Users of one server, as its administrator."""

    server: S3Server
    iam: "IAMClient"

    def find(self, name: str, allowed: Collection[str], owner: str) -> "UserTypeDef | None":
        """Return the user, None where there is none; StoreError where its mark is not one of `allowed`."""
        try:
            user = self.iam.get_user(UserName=name)["User"]
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return None
            raise
        hand_over = self.server.command("iam", "tag-user", "--user-name", name, "--tags", f"Key={OWNER_TAG},Value={owner}")
        require_ours(f"user {name!r}", owner_of(user.get("Tags", [])), allowed, hand_over)
        return user

    def ensure(self, name: str, inputs: Mapping[str, Any], allowed: Collection[str]) -> None:
        """Make or mark the user, and let it do what its policy says."""
        owner = inputs["owner"]
        user = self.find(name, allowed, owner)
        if user is None:
            self.iam.create_user(UserName=name, Path=_PATH, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        elif owner_of(user.get("Tags", [])) != owner:
            self.iam.tag_user(UserName=name, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        self.iam.put_user_policy(UserName=name, PolicyName=_POLICY_NAME, PolicyDocument=inputs["policy"])

    def policy(self, name: str) -> str:
        """Return the policy as canonical JSON, "" when there is none."""
        try:
            return policy.canonical(self.iam.get_user_policy(UserName=name, PolicyName=_POLICY_NAME)["PolicyDocument"])
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return ""
            raise

    def active_keys(self, name: str) -> set[str]:
        """Return the ids of the keys that the store accepts."""
        keys = self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {key["AccessKeyId"] for key in keys if key["Status"] == "Active"}

    def delete_keys(self, name: str) -> None:
        """Delete all keys of the user."""
        for key in self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            self.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])

    def new_key(self, name: str) -> dict[str, str]:
        """Make the key, where none is recorded: whatever is there is left over."""
        self.delete_keys(name)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "generation": new_generation()}


class S3CredentialProvider(OwnedProvider[S3Users]):
    """Inputs: those of S3Server, `user`, `policy` (canonical JSON), `owner`. Outputs: the same as found, and the key."""

    kind = "user"
    identity = ("user",)
    essential = "access_key"

    @contextmanager
    def open(self, inputs: Mapping[str, Any], action: str) -> Iterator[S3Users]:
        """Open the IAM API, as the administrator."""
        server = S3Server.of(inputs)
        with explained(server.iam_endpoint, action, server.admin_profile, service="IAM"), server.iam() as iam:
            yield S3Users(server, iam)

    def make(self, api: S3Users, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        """Make user, policy and key."""
        api.ensure(name, inputs, {inputs["owner"]})
        return api.new_key(name)

    def look(self, api: S3Users, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return mark and policy as they are; a lost key reads as ""."""
        user = api.find(name, {"", outputs["owner"]}, outputs["owner"])
        if user is None:
            return None
        there = {"owner": owner_of(user.get("Tags", [])), "policy": api.policy(name)}
        return there if outputs["access_key"] in api.active_keys(name) else {**there, **dict.fromkeys(KEY_OUTPUTS, "")}

    def change(self, api: S3Users, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Restore mark and policy; make a new key only where the old one is lost."""
        api.ensure(name, inputs, {"", inputs["owner"], olds["owner"]})
        return {key: olds[key] for key in (*KEY_OUTPUTS, "generation")} if olds["access_key"] else api.new_key(name)

    def remove(self, api: S3Users, name: str, outputs: Mapping[str, Any]) -> None:
        """Delete user, policies and keys: a credential is no data, so it never outlives its stack."""
        if api.find(name, {"", outputs["owner"]}, outputs["owner"]) is None:
            return
        api.delete_keys(name)
        for inline in api.iam.list_user_policies(UserName=name)["PolicyNames"]:
            api.iam.delete_user_policy(UserName=name, PolicyName=inline)
        api.iam.delete_user(UserName=name)


class S3Credential(Credential, module="s3", name="Credential"):
    """One user on an S3 server, and its access key."""
