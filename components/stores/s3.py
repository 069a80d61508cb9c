"""The store `s3`: a bucket by the S3 API, a user a generation by an AWS-compatible IAM API, both with the administrator's profile.

The store shows a secret key once, when it is made: a run that is killed between making a key and recording it leaves a key that nobody
knows; the next run removes it, so that the limit of two keys is never in the way, and makes another. The user carries our mark from its
first moment and a foreign one is refused.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi

from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import Declared, ObjectStoreArgs, Permissions, canonical, document, features, suffixed
from components.stores.connection import FOR_ADMINISTRATOR, IAMClient, S3Client, S3Server, explained, unless
from components.stores.owned import KEY_OUTPUTS, OWNER_TAG, Bucket, BucketProvider, Credential, require_ours

__all__ = ["S3Server", "S3Store"]
_LONGEST_USER = 56  # characters of a bucket's name in a user's: AWS's IAM allows 64 in all


@dataclass(frozen=True, kw_only=True)
class S3Store:
    """Makes bucket and users on one S3 server."""

    server: S3Server
    settings: str = ""

    def declare(self, name: str, args: ObjectStoreArgs, parent: pulumi.Resource) -> Declared:
        """Declare one bucket, and one credential a valid generation."""
        if args.options.compressed is not None:
            raise ValueError("the S3 API knows no compression of a bucket; the drivers greenlake and cosi do")
        options = {key: value for key, value in args.options.inputs().items() if key != "compressed"}
        inputs = {**self.server.inputs(), "bucket": args.bucket, **options, "owner": args.owner}
        bucket = S3Bucket(S3BucketProvider(self.settings), f"{name}-bucket", inputs, args.bucket_opts(parent))
        opts, allowed = pulumi.ResourceOptions(parent=parent), args.permissions
        for number in args.generations.valid():
            user = args.bucket if number == 1 else f"{args.bucket[:_LONGEST_USER]}_{number}"  # no bucket's name holds a _
            resource = suffixed(f"{name}-credential", number)
            key = self.credential(resource, user=user, bucket=args.bucket, permissions=allowed, owner=args.owner, opts=opts)
        return (bucket.bucket, key)

    def credential(
        self, name: str, *, user: str, bucket: str, permissions: Permissions, owner: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> Credential:
        """Declare a user that has `permissions` on `bucket`, and its key."""
        inputs = {**self.server.inputs(), "user": user, "policy": document(bucket, permissions), "owner": owner}
        return S3Credential(S3CredentialProvider(self.settings), name, inputs, opts)


class S3BucketProvider(BucketProvider[S3Client]):
    """Inputs: those of S3Server, `bucket`, `owner`, those of BucketOptions but `compressed`. Outputs: the same, as found."""

    place = "endpoint"

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator[S3Client]:
        server = S3Server.of(inputs)
        with explained(server.endpoint, action, FOR_ADMINISTRATOR, profile=server.admin_profile), server.s3() as s3:
            yield s3

    def _tags(self, api: S3Client, name: str) -> Mapping[str, str] | None:
        return features.tags(api, name)

    def _hand_over(self, name: str, inputs: Mapping[str, Any]) -> str:
        tags = f"TagSet=[{{Key={OWNER_TAG},Value={inputs['owner']}}}]"
        return S3Server.of(inputs).command("s3api", "put-bucket-tagging", "--bucket", name, "--tagging", tags)

    def _create(self, api: S3Client, inputs: Mapping[str, Any]) -> None:
        features.create(api, inputs)

    def _configure(self, api: S3Client, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> None:
        name = inputs["bucket"]
        features.set_tags(api, inputs, olds)
        features.set_versioning(api, name, versioned=inputs["versioned"])
        features.set_lock(api, name, inputs["lock"])
        features.set_encryption(api, name, inputs["encryption"])

    def _describe(self, api: S3Client, name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
        encryption = features.encryption(api, name) if outputs.get("encryption") else ""
        return {"versioned": features.is_versioned(api, name), "lock": features.lock(api, name), "encryption": encryption}

    def _delete(self, api: S3Client, name: str, _outputs: Mapping[str, Any]) -> None:
        features.empty(api, name)
        api.delete_bucket(Bucket=name)


class S3Bucket(Bucket, module="s3", name="Bucket"):
    """One bucket on an S3 server."""


_PATH = "/milvus-x10000/"
_POLICY_NAME = "one-bucket"


class S3CredentialProvider(OwnedProvider[IAMClient]):
    """Inputs: those of S3Server, `user`, `policy` (canonical JSON), `owner`. Outputs: the same as found, and the key."""

    kind = "user"
    identity = ("user",)
    essential = "access_key"

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], action: str) -> Iterator[IAMClient]:
        server = S3Server.of(inputs)
        iam_explained = explained(server.iam_endpoint, action, FOR_ADMINISTRATOR, service="IAM", profile=server.admin_profile)
        with iam_explained, server.iam() as iam:
            yield iam

    def _make(self, api: IAMClient, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        self._ensure(api, name, inputs)
        return _new_key(api, name)

    def _look(self, api: IAMClient, name: str, outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        """A lost key reads as ""."""
        mark = self._find_mark(api, name, outputs, "")
        if mark is None:
            return None
        keys = api.list_access_keys(UserName=name)["AccessKeyMetadata"]
        active = any(key["AccessKeyId"] == outputs["access_key"] and key["Status"] == "Active" for key in keys)
        there = unless({"NoSuchEntity"}, api.get_user_policy, UserName=name, PolicyName=_POLICY_NAME)
        allowed = canonical(there["PolicyDocument"]) if there is not None else ""
        return {"owner": mark, "policy": allowed, **({} if active else dict.fromkeys(KEY_OUTPUTS, ""))}

    def _change(self, api: IAMClient, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        self._ensure(api, name, inputs, "", olds["owner"])
        return {key: olds[key] for key in (*KEY_OUTPUTS, "generation")} if olds["access_key"] else _new_key(api, name)

    def _remove(self, api: IAMClient, name: str, outputs: Mapping[str, Any]) -> None:
        """A credential is no data, so it never outlives its stack."""
        if self._find_mark(api, name, outputs, "") is None:
            return
        _delete_keys(api, name)
        for inline in api.list_user_policies(UserName=name)["PolicyNames"]:
            api.delete_user_policy(UserName=name, PolicyName=inline)
        api.delete_user(UserName=name)

    def _find_mark(self, api: IAMClient, name: str, inputs: Mapping[str, Any], *others: str) -> str | None:
        """Mark of the user, None where there is none; StoreError where it is neither its owner's nor one of `others`."""
        owner, user = inputs["owner"], unless({"NoSuchEntity"}, api.get_user, UserName=name)
        if user is None:
            return None
        mark = next((tag["Value"] for tag in user["User"].get("Tags", []) if tag["Key"] == OWNER_TAG), "")
        hand_over = S3Server.of(inputs).command("iam", "tag-user", "--user-name", name, "--tags", f"Key={OWNER_TAG},Value={owner}")
        require_ours(f"user {name!r}", mark, {owner, *others}, hand_over)
        return mark

    def _ensure(self, api: IAMClient, name: str, inputs: Mapping[str, Any], *others: str) -> None:
        owner = inputs["owner"]
        mark = self._find_mark(api, name, inputs, *others)
        if mark is None:
            api.create_user(UserName=name, Path=_PATH, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        elif mark != owner:
            api.tag_user(UserName=name, Tags=[{"Key": OWNER_TAG, "Value": owner}])
        api.put_user_policy(UserName=name, PolicyName=_POLICY_NAME, PolicyDocument=inputs["policy"])


class S3Credential(Credential, module="s3", name="Credential"):
    """One user on an S3 server, and its access key."""


def _delete_keys(iam: IAMClient, name: str) -> None:
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])


def _new_key(iam: IAMClient, name: str) -> dict[str, str]:
    """Make the key, where none is recorded: whatever is there is left over."""
    _delete_keys(iam, name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "generation": new_generation()}
