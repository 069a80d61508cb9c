"""The credential provider against a real IAM API."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from components import stores
from components.stores import BucketOptions, StoreError
from components.stores.connection import s3_client
from components.stores.owned import OWNER_TAG
from components.stores.s3 import S3BucketProvider, S3CredentialProvider, S3Server

pytestmark = pytest.mark.e2e
PROVIDER = S3CredentialProvider("milvus-x10000:object_store")
OWNER = "milvus-x10000/test/uid-1"


@pytest.fixture
def inputs(store: S3Server) -> dict[str, Any]:
    user = f"test-{uuid4().hex[:12]}"
    return {**store.inputs(), "user": user, "policy": stores.document(user, stores.MILVUS), "owner": OWNER}


@pytest.fixture
def iam(store: S3Server) -> Iterator[Any]:
    with store.iam() as client:
        yield client


def made(inputs: dict[str, Any]) -> dict[str, Any]:
    outputs = PROVIDER.create(inputs).outs
    assert outputs is not None
    return outputs


def found(inputs: dict[str, Any]) -> dict[str, Any]:
    outputs = PROVIDER.read(inputs["user"], inputs).outs
    assert outputs is not None
    return outputs


def key_ids(iam: Any, user: str) -> list[str]:
    return [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]


def test_the_key_can_use_its_bucket_and_no_other(store: S3Server, inputs: dict[str, Any]) -> None:
    for name in (inputs["user"], f"{inputs['user']}-other"):
        S3BucketProvider().create({**store.inputs(), "bucket": name, "owner": OWNER, **BucketOptions(versioned=False).inputs()})
    outputs = made(inputs)
    with s3_client(store, outputs["access_key"], outputs["secret_key"]) as s3:
        s3.put_object(Bucket=inputs["user"], Key="x", Body=b"1")
        assert s3.list_objects_v2(Bucket=inputs["user"])["KeyCount"] == 1
        s3.delete_object(Bucket=inputs["user"], Key="x")
        refused: list[Callable[[], Any]] = [
            # empty: this server refuses a write before it reads the body, and closes, which a client that still sends sees first
            lambda: s3.put_object(Bucket=f"{inputs['user']}-other", Key="x", Body=b""),
            s3.list_buckets,
            lambda: s3.put_bucket_versioning(Bucket=inputs["user"], VersioningConfiguration={"Status": "Suspended"}),
            lambda: s3.delete_bucket(Bucket=inputs["user"]),
        ]
        for call in refused:
            with pytest.raises(ClientError, match="AccessDenied"):
                call()


def test_nothing_changed_is_no_change(inputs: dict[str, Any]) -> None:
    outputs = made({**inputs, "__provider": "pickle"})
    assert found(outputs) == outputs
    assert PROVIDER.diff(inputs["user"], outputs, inputs).changes is False


def test_a_creation_that_was_interrupted_is_completed_and_leaves_one_key(iam: Any, inputs: dict[str, Any]) -> None:
    iam.create_user(UserName=inputs["user"], Tags=[{"Key": OWNER_TAG, "Value": OWNER}])
    for _ in range(2):  # keys that nobody recorded, up to the limit
        iam.create_access_key(UserName=inputs["user"])
    outputs = made(inputs)
    assert key_ids(iam, inputs["user"]) == [outputs["access_key"]]
    assert found(outputs)["policy"] == inputs["policy"]


@pytest.mark.parametrize("mark", ["milvus-x10000/other/uid-2", ""])
def test_a_user_of_somebody_else_is_left_alone(iam: Any, inputs: dict[str, Any], mark: str) -> None:
    iam.create_user(UserName=inputs["user"], Tags=[{"Key": OWNER_TAG, "Value": mark}] if mark else [])
    theirs = iam.create_access_key(UserName=inputs["user"])["AccessKey"]["AccessKeyId"]
    with pytest.raises(StoreError, match=r"aws --profile test-admin .* tag-user"):
        PROVIDER.create(inputs)
    assert key_ids(iam, inputs["user"]) == [theirs]


def test_refresh_finds_a_user_gone(iam: Any, inputs: dict[str, Any]) -> None:
    outputs = made(inputs)
    PROVIDER.delete(inputs["user"], outputs)
    assert not PROVIDER.read(inputs["user"], outputs).id
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName=inputs["user"])
    PROVIDER.delete(inputs["user"], outputs)  # a second time is no error


@pytest.mark.parametrize("loss", ["deleted", "inactive"])
def test_a_lost_key_is_found_and_replaced_and_its_generation_changes(iam: Any, inputs: dict[str, Any], loss: str) -> None:
    outputs = made(inputs)
    key = {"UserName": inputs["user"], "AccessKeyId": outputs["access_key"]}
    if loss == "deleted":
        iam.delete_access_key(**key)
    else:
        iam.update_access_key(**key, Status="Inactive")
    refreshed = found(outputs)
    assert PROVIDER.diff(inputs["user"], refreshed, inputs).changes
    renewed = PROVIDER.update(inputs["user"], refreshed, inputs).outs
    assert renewed is not None
    assert renewed["secret_key"] not in {"", outputs["secret_key"]}
    assert renewed["generation"] != outputs["generation"]
    assert key_ids(iam, inputs["user"]) == [renewed["access_key"]]


@pytest.mark.parametrize("drift", ["changed", "removed"])
def test_a_changed_policy_is_found_and_restored_and_the_key_stays(iam: Any, inputs: dict[str, Any], drift: str) -> None:
    outputs = made(inputs)
    if drift == "changed":
        iam.put_user_policy(UserName=inputs["user"], PolicyName="one-bucket", PolicyDocument=stores.document("other", stores.MILVUS))
    else:
        iam.delete_user_policy(UserName=inputs["user"], PolicyName="one-bucket")
    refreshed = found(outputs)
    assert PROVIDER.diff(inputs["user"], refreshed, inputs).changes
    restored = PROVIDER.update(inputs["user"], refreshed, inputs).outs
    assert restored == outputs
    assert found(outputs)["policy"] == inputs["policy"]


def test_another_user_is_another_credential(inputs: dict[str, Any]) -> None:
    assert PROVIDER.diff("id", {**inputs, "access_key": "k"}, {**inputs, "user": "other"}).replaces == ["user"]


def test_an_address_without_an_iam_api_is_named_with_the_cure(store: S3Server, inputs: dict[str, Any]) -> None:
    wrong = replace(store, iam_endpoint=store.endpoint)
    with pytest.raises(StoreError, match=r"no IAM API answers there .*object_store\.iam_endpoint"):
        PROVIDER.create({**inputs, **wrong.inputs()})
