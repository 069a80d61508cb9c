"""The bucket provider against a real S3 server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from components.stores import StoreError, features
from components.stores.owned import OWNER_TAG
from components.stores.s3 import S3BucketProvider, S3Server
from tests.s3_server import PROFILE, credentials, free_port

PROVIDER = S3BucketProvider("milvus-x10000:object_store")


@pytest.fixture
def inputs(store: S3Server) -> dict[str, Any]:
    return {
        **store.inputs(),
        "bucket": f"test-{uuid4().hex[:12]}",
        "owner": "milvus-x10000/test/uid-1",
        "versioned": False,
        "tags": {},
        "lock": {},
        "encryption": "",
    }


@pytest.fixture
def s3(store: S3Server) -> Iterator[Any]:
    with store.s3() as client:
        yield client


pytestmark = pytest.mark.e2e


def tags(s3: Any, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}


@pytest.mark.parametrize("versioned", [True, False])
def test_a_bucket_is_made_with_our_mark_and_the_versioning_asked_for(s3: Any, inputs: dict[str, Any], versioned: bool) -> None:
    made = PROVIDER.create({**inputs, "versioned": versioned, "__provider": "pickle"})
    assert made.id == inputs["bucket"]
    assert made.outs == {**inputs, "versioned": versioned}
    assert tags(s3, made.id)[OWNER_TAG] == inputs["owner"]
    assert (s3.get_bucket_versioning(Bucket=made.id).get("Status") == "Enabled") is versioned


def test_a_creation_that_was_interrupted_is_completed(s3: Any, inputs: dict[str, Any]) -> None:
    s3.create_bucket(Bucket=inputs["bucket"], CreateBucketConfiguration={"Tags": [{"Key": OWNER_TAG, "Value": inputs["owner"]}]})
    PROVIDER.create({**inputs, "versioned": True})
    assert s3.get_bucket_versioning(Bucket=inputs["bucket"])["Status"] == "Enabled"


@pytest.mark.parametrize("mark", ["milvus-x10000/other/uid-2", ""])
def test_a_bucket_of_somebody_else_is_left_alone_and_the_error_tells_how_to_hand_it_over(
    s3: Any, inputs: dict[str, Any], mark: str
) -> None:
    s3.create_bucket(Bucket=inputs["bucket"])
    if mark:
        s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": [{"Key": OWNER_TAG, "Value": mark}]})
    with pytest.raises(StoreError, match=r"aws --profile test-admin .* put-bucket-tagging") as refused:
        PROVIDER.create({**inputs, "versioned": True})
    assert inputs["bucket"] in str(refused.value)
    assert "Status" not in s3.get_bucket_versioning(Bucket=inputs["bucket"])


def test_refresh_finds_a_bucket_gone(s3: Any, inputs: dict[str, Any]) -> None:
    PROVIDER.create(inputs)
    s3.delete_bucket(Bucket=inputs["bucket"])
    assert not PROVIDER.read(inputs["bucket"], inputs).id


def test_refresh_finds_changed_versioning_and_update_restores_it(s3: Any, inputs: dict[str, Any]) -> None:
    PROVIDER.create(inputs)
    s3.put_bucket_versioning(Bucket=inputs["bucket"], VersioningConfiguration={"Status": "Enabled"})
    found = PROVIDER.read(inputs["bucket"], inputs).outs
    assert found is not None
    assert found["versioned"] is True
    assert PROVIDER.diff(inputs["bucket"], found, inputs).changes
    PROVIDER.update(inputs["bucket"], found, inputs)
    assert s3.get_bucket_versioning(Bucket=inputs["bucket"])["Status"] == "Suspended"


@pytest.mark.parametrize("recorded", ["", "its owner"])
def test_a_bucket_without_a_mark_is_neither_changed_nor_emptied_though_the_state_has_its_name(
    s3: Any, inputs: dict[str, Any], recorded: str
) -> None:
    PROVIDER.create(inputs)
    s3.put_object(Bucket=inputs["bucket"], Key="x", Body=b"1")
    s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": [{"Key": "cost-centre", "Value": "42"}]})
    olds = {**inputs, "owner": inputs["owner"] if recorded else ""}
    for refused in (
        lambda: PROVIDER.read(inputs["bucket"], olds),
        lambda: PROVIDER.update(inputs["bucket"], olds, {**inputs, "versioned": True}),
        lambda: PROVIDER.delete(inputs["bucket"], olds),
    ):
        with pytest.raises(StoreError, match=r"carries no mark of ours.*hand it over: aws") as error:
            refused()
        assert error.value.code == "store.not_ours"
    assert tags(s3, inputs["bucket"]) == {"cost-centre": "42"}
    assert "Status" not in s3.get_bucket_versioning(Bucket=inputs["bucket"])
    assert s3.get_object(Bucket=inputs["bucket"], Key="x")["Body"].read() == b"1"


def test_a_bucket_that_was_handed_over_is_ours_and_its_other_tags_stay(s3: Any, inputs: dict[str, Any]) -> None:
    s3.create_bucket(Bucket=inputs["bucket"])
    given = [{"Key": "cost-centre", "Value": "42"}, {"Key": OWNER_TAG, "Value": inputs["owner"]}]
    s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": given})
    PROVIDER.create(inputs)
    assert tags(s3, inputs["bucket"]) == {"cost-centre": "42", OWNER_TAG: inputs["owner"]}


def test_nothing_changed_is_no_change(inputs: dict[str, Any]) -> None:
    made = PROVIDER.create(inputs)
    assert made.outs is not None
    read = PROVIDER.read(made.id, made.outs)
    assert read.outs == made.outs
    assert PROVIDER.diff(made.id, made.outs, inputs).changes is False


def test_a_new_name_is_another_bucket_and_a_new_address_is_not(inputs: dict[str, Any]) -> None:
    assert PROVIDER.diff("id", inputs, {**inputs, "bucket": "other"}).replaces == ["bucket"]
    moved = PROVIDER.diff("id", inputs, {**inputs, "endpoint": "https://elsewhere"})
    assert (moved.changes, moved.replaces) == (True, [])


def test_tags_are_the_operators_and_ours_and_one_that_leaves_the_settings_leaves_the_bucket(s3: Any, inputs: dict[str, Any]) -> None:
    tagged = {**inputs, "tags": {"cost-centre": "42", "team": "search"}}
    PROVIDER.create(tagged)
    fewer = {**inputs, "tags": {"cost-centre": "43"}}
    PROVIDER.update(inputs["bucket"], tagged, fewer)
    assert tags(s3, inputs["bucket"]) == {"cost-centre": "43", OWNER_TAG: inputs["owner"]}
    assert PROVIDER.read(inputs["bucket"], fewer).outs == fewer


def test_object_lock_keeps_a_document_and_the_error_says_until_when(s3: Any, inputs: dict[str, Any]) -> None:
    locked = {**inputs, "versioned": True, "lock": {"mode": "GOVERNANCE", "days": 1}}
    PROVIDER.create(locked)
    assert PROVIDER.read(inputs["bucket"], locked).outs == locked
    s3.put_object(Bucket=inputs["bucket"], Key="x", Body=b"1", ChecksumAlgorithm="CRC32")
    with pytest.raises(StoreError, match=r"cannot be deleted, the first is 'x'.*on_destroy retain"):
        PROVIDER.delete(inputs["bucket"], locked)
    longer = {**locked, "lock": {"mode": "GOVERNANCE", "days": 2}}
    PROVIDER.update(inputs["bucket"], locked, longer)
    assert PROVIDER.read(inputs["bucket"], locked).outs == longer
    with pytest.raises(StoreError, match="cannot be switched off"):
        PROVIDER.update(inputs["bucket"], longer, {**longer, "lock": {}})


def test_a_store_that_cannot_add_a_lock_to_an_old_bucket_gets_the_cure(inputs: dict[str, Any]) -> None:
    with answering() as (client, answers):
        answers.add_client_error("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
        answers.add_client_error("put_object_lock_configuration", "InvalidBucketState")
        with pytest.raises(StoreError, match=r"was made without object lock \(InvalidBucketState\)"):
            features.set_lock(client, inputs["bucket"], {"mode": "GOVERNANCE", "days": 1})


def test_encryption_that_the_store_does_not_do_is_an_error_and_not_a_belief(inputs: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"leave milvus-x10000:object_store\.encryption out"):
        PROVIDER.create({**inputs, "encryption": "AES256"})


def test_an_address_without_the_bucket_is_refused_since_the_data_would_be_missing(inputs: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="is not there, and a new one would be empty"):
        PROVIDER.update(inputs["bucket"], inputs, inputs)


def test_delete_takes_every_version_and_every_unfinished_upload(s3: Any, inputs: dict[str, Any]) -> None:
    PROVIDER.create({**inputs, "versioned": True})
    name = inputs["bucket"]
    for body in (b"1", b"2"):
        s3.put_object(Bucket=name, Key="dir/x", Body=body)
    s3.delete_object(Bucket=name, Key="dir/x")
    s3.create_multipart_upload(Bucket=name, Key="y")
    PROVIDER.delete(name, inputs)
    assert not PROVIDER.read(name, inputs).id
    PROVIDER.delete(name, inputs)  # a second time is no error


def test_delete_spares_a_bucket_that_has_become_somebody_elses(s3: Any, inputs: dict[str, Any]) -> None:
    PROVIDER.create(inputs)
    s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": [{"Key": OWNER_TAG, "Value": "other"}]})
    with pytest.raises(StoreError, match="belongs to 'other'"):
        PROVIDER.delete(inputs["bucket"], inputs)


@contextmanager
def answering() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", endpoint_url="https://store")
    with Stubber(client) as answers:
        yield client, answers
        answers.assert_no_pending_responses()


def test_a_store_that_knows_no_tags_at_creation_gets_them_right_after() -> None:
    with answering() as (client, answers):
        answers.add_client_error("create_bucket", "MalformedXML")
        answers.add_response("create_bucket", {}, {"Bucket": "plain"})
        answers.add_client_error("get_bucket_tagging", "NoSuchTagSet")
        answers.add_response("put_bucket_tagging", {}, {"Bucket": "plain", "Tagging": {"TagSet": [{"Key": OWNER_TAG, "Value": "me"}]}})
        features.create(client, {"bucket": "plain", "owner": "me", "lock": {}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda store: replace(store, admin_profile="nobody"), ["'nobody' is not on this machine", "aws configure --profile nobody"]),
        (lambda store: replace(store, ca_pem=""), ["cannot be trusted", "object_store.ca_file"]),
        (lambda store: replace(store, endpoint=f"https://127.0.0.1:{free_port()}"), ["cannot be reached", "curl -v https://127.0.0.1"]),
        (lambda store: replace(store, endpoint=store.iam_endpoint), ["no S3 API answers there", "object_store.endpoint"]),
    ],
)
def test_a_wrong_store_is_named_with_its_address_and_the_cure(
    store: S3Server, inputs: dict[str, Any], change: Any, words: list[str]
) -> None:
    wrong = change(store)
    with pytest.raises(StoreError) as refused:
        PROVIDER.create({**inputs, **wrong.inputs()})
    for word in [wrong.endpoint, inputs["bucket"], *words]:
        assert word in str(refused.value)


def test_a_wrong_key_of_the_administrator_is_named_and_not_shown(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials(tmp_path / "credentials", PROFILE, "not-the-key")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(StoreError, match="refuses the key") as refused:
        PROVIDER.create(inputs)
    assert "not-the-key" not in str(refused.value)
