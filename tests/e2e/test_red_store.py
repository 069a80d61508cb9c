"""A store that Milvus could not live on stops `pulumi up` by the preflight inside the cluster, before there is a Milvus."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest

from lab import project, stores
from lab.daemons import administrator
from lab.places import PKI, network
from tests.e2e.lab import Ended, Lab, without_models

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

STACK, NAMESPACE = "red", "rag-red"
BUCKETS = {"rag-red-milvus": False, "rag-red-documents": True}
_READING = ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetObject"]


def as_administrator(service: Any, endpoint: str) -> Any:
    session = boto3.Session(*administrator(), region_name="us-east-1")
    return session.client(service, endpoint_url=endpoint, verify=str(PKI / "store-ca.crt"))


@pytest.fixture(scope="module")
def read_only_store(lab: Lab) -> Iterator[None]:
    """Buckets and keys as an administrator hands them over who gave Milvus's key the right to read and no other."""
    net = network()
    was_there = lab.run("kubectl", "get", "namespace", stores.HANDED_OVER).code == 0
    with closing(as_administrator("s3", net.s3_endpoint)) as s3, closing(as_administrator("iam", net.iam_endpoint)) as iam:
        stores.hand_over(net, BUCKETS)
        allowed = {"Effect": "Allow", "Action": _READING, "Resource": ["arn:aws:s3:::rag-red-milvus", "arn:aws:s3:::rag-red-milvus/*"]}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="rag-red-milvus_handed-over", PolicyName="one-bucket", PolicyDocument=policy)
        try:
            yield
        finally:
            what = [f"secret/{bucket}" for bucket in BUCKETS] if was_there else [f"namespace/{stores.HANDED_OVER}"]
            lab.run("kubectl", "-n", stores.HANDED_OVER, "delete", "--wait=false", *what)
            for bucket in BUCKETS:
                take_back(s3, iam, bucket)


def take_back(s3: Any, iam: Any, bucket: str) -> None:
    user = f"{bucket}_handed-over"
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=user, PolicyName="one-bucket")
    iam.delete_user(UserName=user)
    s3.delete_bucket(Bucket=bucket)


@pytest.fixture(scope="module")
def up(lab: Lab, read_only_store: None) -> Iterator[Ended]:
    """`pulumi up` of a stack of its own on that store; models are external, so that nothing else takes time."""
    assert read_only_store is None
    facts = without_models(NAMESPACE)
    facts |= {
        f"{project.PROJECT}:object_store": {
            **stores.facts("existing", network()),
            "milvus_secret": "rag-red-milvus",
            "documents_secret": "rag-red-documents",
        },
    }
    project.configure(STACK, facts)
    project.select(STACK)
    try:
        yield lab.pulumi(STACK, "up", "--yes", "--skip-preview", "--non-interactive")
    finally:
        destroyed = lab.pulumi(STACK, "destroy", "--yes", "--skip-preview", "--non-interactive")
        lab.pulumi(STACK, "stack", "rm", "--yes")
        assert destroyed.code == 0, destroyed.output


def test_a_red_preflight_stops_the_up_and_says_what_milvus_would_have_met(up: Ended) -> None:
    assert up.code != 0
    assert "preflight-run" in up.output
    assert "RESULT: FAIL" in up.output, up.output


def test_a_pod_that_names_no_account_gets_no_token(lab: Lab, up: Ended) -> None:
    assert up.code != 0
    assert lab.kubectl("-n", NAMESPACE, "get", "serviceaccount", "default")["automountServiceAccountToken"] is False


def test_milvus_was_not_touched(lab: Lab, up: Ended) -> None:
    assert "milvus-release" not in up.output
    pods = [pod["metadata"]["name"] for pod in lab.kubectl("-n", NAMESPACE, "get", "pods")["items"]]
    assert [name for name in pods if not name.startswith("preflight-")] == []
    assert lab.kubectl("-n", NAMESPACE, "get", "secrets", "-l", "owner=helm")["items"] == []
