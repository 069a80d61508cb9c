"""The GreenLake credential provider against the emulator: what may go wrong on the way, and what the key can do in the end."""

import itertools
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from components import stores
from components.stores import StoreError
from components.stores.connection import s3_client
from components.stores.greenlake.credential import GreenLakeCredentialProvider, GreenLakeUsers, user_name
from components.stores.s3 import S3Server
from tests.components.stores.greenlake.conftest import CLIENT_SECRET, Served

pytestmark = pytest.mark.e2e
PROVIDER = GreenLakeCredentialProvider("milvus-x10000:object_store")
OWNER = "milvus-x10000/test/uid-1/greenlake"


NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def buckets(store: S3Server) -> str:
    """Two for all tests: each test has users of its own."""
    name = f"gl-{uuid4().hex[:12]}"
    with store.s3() as s3:
        s3.create_bucket(Bucket=name)
        s3.create_bucket(Bucket=f"{name}-other")
    return name


@pytest.fixture
def inputs(greenlake: Served, buckets: str) -> dict[str, Any]:
    document = stores.document(buckets, stores.MILVUS)
    return {**greenlake.system.inputs(), "bucket": buckets, "number": next(NUMBERS), "policy": document, "owner": OWNER}


def name_of(inputs: dict[str, Any]) -> str:
    return user_name(inputs["bucket"], OWNER, str(inputs["number"]))


def made(inputs: dict[str, Any]) -> dict[str, Any]:
    outputs = PROVIDER.create(inputs).outs
    assert outputs is not None
    return outputs


def can_sign(greenlake: Served, outputs: dict[str, Any]) -> bool:
    try:
        with s3_client(greenlake.system, outputs["access_key"], outputs["secret_key"]) as s3:
            s3.list_objects_v2(Bucket=outputs["bucket"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            raise
        return False
    return True


def test_a_user_made_through_the_api_signs_s3_requests_for_its_bucket_and_no_other(greenlake: Served, inputs: dict[str, Any]) -> None:
    outputs = made({**inputs, "__provider": "pickle"})
    bucket = inputs["bucket"]
    assert outputs["access_key"] == name_of(inputs)
    with s3_client(greenlake.system, outputs["access_key"], outputs["secret_key"]) as s3:
        s3.put_object(Bucket=bucket, Key="x", Body=b"1")
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        s3.delete_object(Bucket=bucket, Key="x")
        refused: list[Callable[[], Any]] = [
            # empty: this server refuses a write before it reads the body, and closes, which a client that still sends sees first
            lambda: s3.put_object(Bucket=f"{bucket}-other", Key="x", Body=b""),
            s3.list_buckets,
            lambda: s3.delete_bucket(Bucket=bucket),
        ]
        for call in refused:
            with pytest.raises(ClientError, match="AccessDenied"):
                call()


def test_nothing_changed_is_no_change(inputs: dict[str, Any]) -> None:
    outputs = made(inputs)
    assert PROVIDER.read(outputs["access_key"], outputs).outs == outputs
    assert PROVIDER.diff("id", outputs, inputs).changes is False


@pytest.mark.parametrize("path", ["/users", "/access-policies", "/apply-policy"])
def test_whichever_answer_is_lost_there_is_one_user_one_policy_and_a_key_that_works(
    greenlake: Served, inputs: dict[str, Any], path: str
) -> None:
    greenlake.misbehave(kind="lost", method="PUT" if path == "/apply-policy" else "POST", path=path)
    before = {kind: greenlake.names(kind) for kind in ("users", "policies")}
    outputs = made(inputs)
    assert can_sign(greenlake, outputs)
    for kind, names in before.items():
        assert sorted(set(greenlake.names(kind)) - set(names)) == [outputs["access_key"]]


def test_a_lost_new_secret_is_asked_for_again(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="lost", method="POST", path="/users")
    greenlake.misbehave(kind="lost", method="PUT", path="/users/")
    assert can_sign(greenlake, made(inputs))


def test_a_run_that_was_killed_between_user_and_policy_is_completed_by_the_next(greenlake: Served, inputs: dict[str, Any]) -> None:
    with greenlake.system.session() as session:
        users = GreenLakeUsers(session)
        users.put_policy(name_of(inputs), inputs["policy"])
        users.secret(name_of(inputs))
    outputs = made(inputs)
    assert can_sign(greenlake, outputs)
    assert greenlake.names("users").count(outputs["access_key"]) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_api_is_waited_for(greenlake: Served, inputs: dict[str, Any], status: int) -> None:
    for method, path in (("GET", "/users"), ("POST", "/users"), ("PUT", "/apply-policy"), ("GET", "async-operations"), ("POST", "token")):
        greenlake.misbehave(kind="status", status=status, method=method, path=path, retry_after="0")
    greenlake.misbehave(kind="expire")
    assert can_sign(greenlake, made(inputs))


def test_a_wait_that_the_api_asks_for_is_kept(greenlake: Served, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    greenlake.misbehave(kind="status", status=429, method="GET", path="/users", retry_after="7")
    made(inputs)
    assert 7.0 in waits


def test_an_api_that_stays_busy_says_so_and_names_the_next_step(
    greenlake: Served, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    greenlake.misbehave(kind="status", status=503, method="GET", path="/access-policies", times=6)
    with pytest.raises(StoreError, match=r"answers 503: DOWNSTREAM_SERVICE_ERROR: .* \(asked 6 times\).*`pulumi up` again later"):
        made(inputs)


def test_an_expired_token_is_renewed_once_and_work_goes_on(greenlake: Served, inputs: dict[str, Any]) -> None:
    with greenlake.system.session() as session:
        session.find("users", "nobody")
        greenlake.misbehave(kind="expire")
        greenlake.asked.clear()
        session.find("users", "nobody")
    assert greenlake.asked[:3] == ["GET /users", "POST /as/token.oauth2", "GET /users"]
    assert greenlake.asked.count("POST /as/token.oauth2") == 1
    greenlake.misbehave(kind="status", status=401, method="POST", path="/users", times=2)
    with pytest.raises(StoreError, match=r"401: .*token_url and \.api_endpoint belong to the same"):
        made(inputs)
    assert can_sign(greenlake, made(inputs))


def test_a_client_without_the_role_is_told_which_one_it_needs(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="status", status=403, method="POST", path="/access-policies")
    with pytest.raises(StoreError, match=r"cannot make the access policy .* answers 403: ERR_FORBIDDEN.*give it a role"):
        made(inputs)


def test_a_wrong_client_secret_is_named_and_never_shown(
    inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENLAKE_CLIENT_ID", "somebody")
    monkeypatch.setenv("GREENLAKE_CLIENT_SECRET", "hunter2-hunter2")
    with pytest.raises(StoreError, match=r"gives no token \(401: invalid_client.*check client_id and client_secret") as refused:
        made(inputs)
    assert "hunter2" not in str(refused.value) + "".join(capfd.readouterr())


@pytest.mark.parametrize("half", ["GREENLAKE_CLIENT_ID", "GREENLAKE_CLIENT_SECRET"])
def test_half_an_api_client_is_no_api_client(inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    monkeypatch.setenv(half, "only-this")
    with pytest.raises(StoreError, match="is not set, the other half of the API client is"):
        made(inputs)


def test_a_failed_task_says_why_and_the_next_run_completes_it(greenlake: Served, inputs: dict[str, Any]) -> None:
    greenlake.misbehave(kind="fail", method="PUT", path="/apply-policy", message="policy engine is down")
    with pytest.raises(StoreError, match=r"cannot apply the access policy .*policy engine is down"):
        made(inputs)
    assert can_sign(greenlake, made(inputs))


@pytest.mark.parametrize("drift", ["changed", "gone", "not applied"])
def test_a_changed_policy_is_found_and_restored_and_the_key_stays(greenlake: Served, inputs: dict[str, Any], drift: str) -> None:
    outputs, backend = made(inputs), greenlake.api.backend
    name = outputs["access_key"]
    statement = [{"effect": "ALLOW", "action": ["s3:*"], "resource": ["arn:aws:s3:::*"]}]
    if drift == "changed":
        backend.put_policy(name, {"version": "2012-10-17", "statement": statement}, new=False)
    elif drift == "gone":
        backend.delete_policy(name)
    else:
        backend.put_policy("other", {"version": "2012-10-17", "statement": statement}, new="other" not in backend.policies())
        backend.apply(name, ["other"])
    found = PROVIDER.read(name, outputs).outs
    assert found is not None
    assert PROVIDER.diff(name, found, inputs).changes
    assert PROVIDER.update(name, found, inputs).outs == outputs
    assert can_sign(greenlake, outputs)


def test_a_rotation_is_a_second_user_and_the_first_key_works_until_it_is_revoked(greenlake: Served, inputs: dict[str, Any]) -> None:
    first = made(inputs)
    second = made({**inputs, "number": next(NUMBERS)})
    assert can_sign(greenlake, first)
    assert can_sign(greenlake, second)
    PROVIDER.delete(first["access_key"], first)
    assert not can_sign(greenlake, first)
    assert can_sign(greenlake, second)
    assert not PROVIDER.read(first["access_key"], first).id
    assert first["access_key"] not in greenlake.names("policies")
    PROVIDER.delete(first["access_key"], first)  # a second time is no error


def test_another_owner_bucket_or_number_is_another_user(inputs: dict[str, Any]) -> None:
    for change in ({"owner": "other"}, {"bucket": "other"}, {"number": 0}):
        assert PROVIDER.diff("id", inputs, {**inputs, **change}).replaces == list(change)
    names = {user_name("b" * 63, owner, use) for owner in ("one", "two") for use in ("1", "delete")}
    assert len(names) == 4
    assert all(len(name) <= 44 for name in names)


def test_neither_the_users_nor_the_clients_secret_is_in_a_resources_inputs(inputs: dict[str, Any]) -> None:
    outputs = made(inputs)
    assert outputs["secret_key"] not in str(inputs)
    assert CLIENT_SECRET not in str(outputs)
