"""BucketInfo as COSI writes it is split, and whatever is not it is refused without being repeated."""

import json
from typing import Any

import pytest

from components.stores import StoreError
from components.stores.cosi.credential import parse

HIDDEN = "hunter2"
S3 = {"endpoint": "http://10.0.0.5:8080", "region": "us-east-1", "accessKeyID": "user_ba-1", "accessSecretKey": HIDDEN}
SPEC = {"bucketName": "bc1", "authenticationType": "Key", "secretS3": S3, "secretAzure": None, "protocols": ["s3"]}


def text(**spec: Any) -> str:
    return json.dumps({"metadata": {"name": "bc-1", "creationTimestamp": None}, "spec": {**SPEC, **spec}})


def test_what_hpe_documents_is_split_into_the_keys_that_milvus_reads() -> None:
    found = parse(text(), "rag/key", "kubectl ...")
    assert (found.bucket, found.endpoint, found.access_key, found.secret_key) == ("bc1", S3["endpoint"], "user_ba-1", HIDDEN)
    assert HIDDEN not in repr(found)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "is no JSON"),
        (text()[:-2], "is no JSON"),
        (json.dumps([HIDDEN]), "has no spec"),
        (json.dumps({"spec": HIDDEN}), "has no spec"),
        (text(secretS3=None, secretAzure={"accessToken": HIDDEN}), "has no secretS3, so it is for another protocol"),
        (text(secretS3={**S3, "accessKeyID": ""}), "has no spec.secretS3.accessKeyID"),
        (text(secretS3={**S3, "endpoint": 5}), "has no spec.secretS3.endpoint"),
        (text(secretS3={"accessSecretKey": HIDDEN}, bucketName=""), "has no spec.secretS3.endpoint and no spec.secretS3.accessKeyID and"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_cure_and_never_shown(written: str, why: str) -> None:
    with pytest.raises(StoreError) as refused:
        parse(written, "rag/key", "kubectl -n rag delete x")
    assert f"the BucketInfo in the Secret rag/key {why}" in str(refused.value)
    assert "kubectl -n rag delete x; then run `pulumi up` again" in str(refused.value)
    assert HIDDEN not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
