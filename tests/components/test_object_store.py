"""Promises of the bucket, its credential and its Secret, as declared."""

from dataclasses import replace

import pytest

from components.object_store import ObjectStore
from components.s3 import policy
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
    assert document == policy.document("rag-milvus", policy.MILVUS)
    assert '"Resource":["arn:aws:s3:::rag-milvus"]' in document
    assert '"Resource":["arn:aws:s3:::rag-milvus/*"]' in document
    assert '"*"' not in document
    assert "s3:*" not in document


def test_nobody_may_destroy_old_versions_or_change_the_bucket() -> None:
    actions = {*policy.DOCUMENTS.bucket_actions, *policy.DOCUMENTS.object_actions}
    assert not {action for action in actions if "DeleteObjectVersion" in action or action.startswith("s3:PutBucket")}
