"""The GreenLake bucket provider against the emulator."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from components.stores import BucketOptions, StoreError
from components.stores.greenlake.api import TaskFailed
from components.stores.greenlake.bucket import GreenLakeBucketProvider
from components.stores.owned import OWNER_TAG
from components.stores.s3 import S3Server
from tests.components.stores.greenlake.conftest import Served

pytestmark = pytest.mark.e2e
PROVIDER = GreenLakeBucketProvider("milvus-x10000:object_store")
OWNER = "milvus-x10000/test/uid-1/greenlake"


@pytest.fixture
def inputs(greenlake: Served, bucket: str) -> dict[str, Any]:
    # as Pulumi hands them over: without what is None
    options = {key: value for key, value in BucketOptions(versioned=False).inputs().items() if key != "encryption" and value is not None}
    return {**greenlake.system.inputs(), "bucket": bucket, "owner": OWNER, **options}


@pytest.fixture
def s3(store: S3Server) -> Iterator[Any]:
    with store.s3() as client:
        yield client


def tags(s3: Any, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}


def outputs(found: Any) -> dict[str, Any]:
    assert found.outs is not None
    outs: dict[str, Any] = found.outs
    return outs


def test_a_bucket_is_made_as_the_options_say_with_our_mark_in_the_same_call(s3: Any, inputs: dict[str, Any]) -> None:
    lock = {"mode": "GOVERNANCE", "days": 1}
    wanted = {**inputs, "versioned": True, "compressed": True, "tags": {"team": "search"}, "lock": lock}
    made = PROVIDER.create({**wanted, "__provider": "pickle"})
    assert made.outs == wanted
    assert tags(s3, made.id) == {"team": "search", OWNER_TAG: OWNER}
    assert s3.get_bucket_versioning(Bucket=made.id)["Status"] == "Enabled"
    retention = s3.get_object_lock_configuration(Bucket=made.id)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (retention["Mode"], retention["Days"]) == ("GOVERNANCE", 1)
    assert outputs(PROVIDER.read(made.id, wanted)) == wanted
    assert not PROVIDER.diff(made.id, wanted, wanted).changes


@pytest.mark.parametrize("mark", ["somebody/else/uid", ""])
def test_a_bucket_of_somebody_else_is_left_alone(s3: Any, inputs: dict[str, Any], mark: str) -> None:
    s3.create_bucket(Bucket=inputs["bucket"])
    if mark:
        s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": [{"Key": OWNER_TAG, "Value": mark}]})
    with pytest.raises(StoreError, match=f"exists already and .*{mark or 'no mark of ours'}.*set its tag {OWNER_TAG}"):
        PROVIDER.create(inputs)


def test_a_bucket_without_a_mark_is_neither_changed_nor_emptied_though_the_state_has_its_name(s3: Any, inputs: dict[str, Any]) -> None:
    PROVIDER.create(inputs)
    s3.put_object(Bucket=inputs["bucket"], Key="x", Body=b"1")
    s3.delete_bucket_tagging(Bucket=inputs["bucket"])
    for refused in (
        lambda: PROVIDER.read(inputs["bucket"], inputs),
        lambda: PROVIDER.update(inputs["bucket"], inputs, {**inputs, "tags": {"a": "b"}}),
        lambda: PROVIDER.delete(inputs["bucket"], inputs),
    ):
        with pytest.raises(StoreError, match="carries no mark of ours"):
            refused()
    assert s3.get_object(Bucket=inputs["bucket"], Key="x")["Body"].read() == b"1"


def test_tags_and_compression_can_change_and_versions_cannot(s3: Any, inputs: dict[str, Any]) -> None:
    made = outputs(PROVIDER.create({**inputs, "compressed": False, "tags": {"a": "1", "b": "2"}}))
    changed = {**made, "compressed": True, "tags": {"b": "3"}}
    PROVIDER.update(inputs["bucket"], made, changed)
    assert tags(s3, inputs["bucket"]) == {"b": "3", OWNER_TAG: OWNER}
    assert outputs(PROVIDER.read(inputs["bucket"], changed)) == changed
    for fixed in ({"versioned": True}, {"lock": {"mode": "GOVERNANCE", "days": 1}}):
        with pytest.raises(StoreError, match="cannot change that afterwards"):
            PROVIDER.update(inputs["bucket"], changed, {**changed, **fixed})


def test_a_bucket_whose_answer_was_lost_is_found_and_not_made_twice(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="lost", method="POST", path="/buckets")
    PROVIDER.create(inputs)
    assert greenlake.names("buckets").count(inputs["bucket"]) == 1
    found = PROVIDER.read(inputs["bucket"], inputs)
    assert not PROVIDER.diff(found.id or "", outputs(found), inputs).changes


def test_a_bucket_that_is_slow_to_appear_after_a_lost_answer_is_waited_for(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="slow", method="POST", path="/buckets", seconds=0.6)
    greenlake.misbehave(kind="lost", method="POST", path="/buckets")
    PROVIDER.create(inputs)
    assert greenlake.names("buckets").count(inputs["bucket"]) == 1


def test_a_task_that_fails_says_why_and_the_next_run_completes_it(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="fail", method="POST", path="/buckets", message="pool is full")
    with pytest.raises(TaskFailed, match=rf"cannot make the bucket '{inputs['bucket']}': the task .* ended as FAILED: .*pool is full"):
        PROVIDER.create(inputs)
    PROVIDER.create(inputs)
    assert inputs["bucket"] in greenlake.names("buckets")


def test_a_task_is_polled_until_it_is_done_and_one_that_never_ends_says_where_to_look(
    greenlake: Served, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    greenlake.misbehave(kind="slow", method="POST", path="/buckets", seconds=1.5)
    PROVIDER.create(inputs)
    assert len([one for one in greenlake.asked if "async-operations" in one]) >= 3
    monkeypatch.setattr("components.stores.greenlake.api._TASK_TIMEOUT_S", 0.3)
    greenlake.misbehave(kind="slow", method="PUT", path="/buckets", seconds=20)
    with pytest.raises(StoreError, match=r"is still RUNNING at 50 % after 0 s.*`pulumi up` goes on"):
        PROVIDER.update(inputs["bucket"], inputs, {**inputs, "tags": {"a": "b"}})


def test_a_bucket_on_the_last_page_is_found(greenlake: Served, inputs: dict[str, Any]) -> None:
    PROVIDER.create(inputs)
    greenlake.misbehave(kind="page", size=1)
    assert PROVIDER.read(inputs["bucket"], inputs).id == inputs["bucket"]
    assert not PROVIDER.read("not-there", inputs).id


def test_delete_takes_every_version_and_leaves_no_user_behind(s3: Any, greenlake: Served, inputs: dict[str, Any]) -> None:
    users = greenlake.names("users")
    made = outputs(PROVIDER.create({**inputs, "versioned": True}))
    for body in (b"1", b"2"):
        s3.put_object(Bucket=inputs["bucket"], Key="x", Body=body)
    s3.delete_object(Bucket=inputs["bucket"], Key="x")
    PROVIDER.delete(inputs["bucket"], made)
    assert inputs["bucket"] not in greenlake.names("buckets")
    assert greenlake.names("users") == users
    PROVIDER.delete(inputs["bucket"], made)  # a second time is no error


def test_a_system_without_the_bucket_is_refused_since_the_data_would_be_missing(inputs: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="is not there, and a new one would be empty"):
        PROVIDER.update(inputs["bucket"], inputs, inputs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system_id": "8UW9999999"}, ["404", "object_store.system_id"]),
        ({"api_ca_pem": ""}, ["cannot be trusted", "object_store.api_ca_file"]),
        ({"client_profile": "nobody"}, ["the profile 'nobody'", "client_id and client_secret"]),
    ],
)
def test_a_wrong_system_is_named_with_the_cure(greenlake: Served, inputs: dict[str, Any], change: dict[str, str], words: list[str]) -> None:
    wrong = replace(greenlake.system, **change)
    with pytest.raises(StoreError) as refused:
        PROVIDER.create({**inputs, **wrong.inputs()})
    for word in words:
        assert word in str(refused.value)
