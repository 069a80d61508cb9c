"""Promises of the bucket, its credential and its Secret, as declared."""

from dataclasses import replace

import pytest

from components import stores
from components.stores import Generations, ObjectStore
from tests.components.test_contract import OBJECT_STORE
from tests.deploy import SECRET_KEY, Declared, deploy


def declared(retain: bool) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: ObjectStore("store", replace(OBJECT_STORE, retain=retain)))}


def test_the_secret_key_reaches_the_kubernetes_secret_as_a_secret_and_nothing_else() -> None:
    found = declared(retain=True)
    secret = found["store-secret"]
    assert secret.inputs["stringData"] == {"access_key": "AKIATEST", "secret_key": SECRET_KEY}
    assert secret.secrets == {"stringData"}
    assert [item.name for item in found.values() if SECRET_KEY in str(item.inputs)] == ["store-secret"]


def test_both_halves_of_the_key_are_secret_outputs_of_the_credential() -> None:
    assert set(declared(retain=True)["store-credential"].request.additionalSecretOutputs) == {"access_key", "secret_key"}


@pytest.mark.parametrize("retain", [True, False])
def test_a_retained_bucket_is_protected_and_outlives_its_stack(retain: bool) -> None:
    bucket = declared(retain)["store-bucket"].request
    assert (bucket.protect, bucket.retainOnDelete) == (retain, retain)


def test_the_user_may_touch_its_own_bucket_and_nothing_else() -> None:
    document = declared(retain=True)["store-credential"].inputs["policy"]
    assert document == stores.document("rag-milvus", stores.MILVUS)
    assert '"Resource":["arn:aws:s3:::rag-milvus"]' in document
    assert '"Resource":["arn:aws:s3:::rag-milvus/*"]' in document
    assert '"*"' not in document
    assert "s3:*" not in document


def test_nobody_may_destroy_old_versions_or_change_the_bucket() -> None:
    actions = {*stores.DOCUMENTS.bucket_actions, *stores.DOCUMENTS.object_actions}
    assert not {action for action in actions if "DeleteObjectVersion" in action or action.startswith("s3:PutBucket")}


def users(current: int, revoked: int) -> dict[str, str]:
    generations = Generations(current=current, revoked=revoked)
    found = deploy(lambda: ObjectStore("store", replace(OBJECT_STORE, generations=generations)))
    return {item.name: item.inputs["user"] for item in found if item.type.endswith(":Credential")}


def test_a_rotation_makes_a_second_user_and_only_a_later_step_takes_the_first_one_away() -> None:
    first, second = ("store-credential", "rag-milvus"), ("store-credential-2", "rag-milvus_2")
    assert users(1, 0) == dict([first])
    assert users(2, 0) == dict([first, second])
    assert users(2, 1) == dict([second])
    assert users(3, 1) == dict([second, ("store-credential-3", "rag-milvus_3")])


def test_the_secret_carries_the_newest_key() -> None:
    generations = Generations(current=2)
    secret = next(
        item for item in deploy(lambda: ObjectStore("store", replace(OBJECT_STORE, generations=generations))) if item.name == "store-secret"
    )
    assert [urn.rpartition("::")[2] for urn in secret.request.propertyDependencies["stringData"].urns] == ["store-credential-2"]


def test_a_second_users_name_is_never_longer_than_iam_allows_and_never_a_buckets_name() -> None:
    long = replace(OBJECT_STORE, bucket="b" * 63, generations=Generations(current=1_000_000, revoked=999_999))
    user = next(item.inputs["user"] for item in deploy(lambda: ObjectStore("store", long)) if item.type.endswith(":Credential"))
    assert len(user) <= 64
    assert "_" in user


@pytest.mark.parametrize(("current", "revoked", "why"), [(1, 1, "is in use"), (3, 0, "revoke up to 1 first")])
def test_the_key_in_use_cannot_be_revoked_and_three_keys_at_once_are_refused(current: int, revoked: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Generations(current=current, revoked=revoked)
