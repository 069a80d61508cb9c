"""Driver `cosi` against a real API server and real buckets, as the operator's account; COSI and HPE's driver are a stand-in."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import V1ObjectMeta, V1Secret

from components import kube_api
from components.stores import BucketOptions, StoreError
from components.stores.cosi import credential, manifests
from components.stores.cosi.bucket import BucketClaimProvider, BucketClassProvider
from components.stores.cosi.credential import CosiCredentialProvider
from components.stores.cosi.objects import opened
from components.stores.owned import OWNER_TAG
from components.stores.s3 import S3Server
from lab import project
from tests.components.stores.cosi.conftest import NAMESPACE
from tests.components.stores.cosi.stand_in import StandIn
from tests.components.stores.cosi.steps import BACKEND, LONG_S, MILVUS, NAME, OWNER, QUIET, SHORT_S, SOURCE, Stack, opens
from tests.e2e.lab import Lab
from tests.e2e.program import Program

pytestmark = [pytest.mark.e2e, pytest.mark.proof]


@pytest.fixture
def stack(cosi: StandIn, operator: Path, store: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("KUBECONFIG", str(operator))
    stack = Stack(store)
    yield stack
    cosi.faults = {}
    stack.end()


def test_the_key_in_the_secret_signs_requests_for_its_bucket_and_no_other(stack: Stack, cosi: StandIn, store: S3Server) -> None:
    cosi.at_once = []
    claim = stack.claim()
    key = stack.access(claim)
    assert claim["bucket"].startswith("bc1")
    assert key["generation"]
    assert opens(store, key, claim["bucket"]) == ""
    with store.s3() as s3:
        s3.create_bucket(Bucket=f"other-{claim['bucket'][:20]}")
    assert opens(store, key, f"other-{claim['bucket'][:20]}") == "AccessDenied"
    assert cosi.at_once == []
    for provider, inputs in stack.made:
        found = provider.create(inputs).outs
        assert found is not None
        assert found.get("bucket") in {None, claim["bucket"]}, "an interrupted run goes on with what it made"
        again = provider.read("x", found).outs
        assert again == found
        assert not provider.diff("x", found, inputs).changes


def test_a_second_key_beside_the_first_and_then_instead_of_it_and_the_data_stays(stack: Stack, store: S3Server) -> None:
    claim = stack.claim()
    first, second = stack.access(claim), stack.access(claim, f"{NAME}-2")
    assert [opens(store, key, claim["bucket"]) for key in (first, second)] == ["", ""]
    assert first["generation"] != second["generation"]
    CosiCredentialProvider().delete("", first)
    assert [opens(store, key, claim["bucket"]) for key in (first, second)] == ["InvalidAccessKeyId", ""]
    made = [manifests.manifest(inputs) for _, inputs in stack.made]
    stack.end()
    with opened() as objects, store.s3() as s3:
        assert not [manifest for manifest in made if objects.find(manifest)]
        assert s3.get_object(Bucket=claim["bucket"], Key="signed")["Body"].read() == b"1"


def lateness(stack: Stack, cosi: StandIn, ask: Callable[[], object]) -> str:
    """Error of what COSI never comes to an end with, once COSI has said why."""
    cosi.warned.clear()
    stack.timeout_s = SHORT_S
    with pytest.raises(StoreError):
        ask()
    assert cosi.warned.wait(LONG_S)
    with pytest.raises(StoreError) as caught:
        ask()
    stack.timeout_s = LONG_S
    return str(caught.value)


def test_what_is_never_ready_is_named_with_the_condition_and_the_cure_and_gone_on_with(stack: Stack, cosi: StandIn) -> None:
    cosi.faults = {"bucketclaims": "never ready"}
    said = lateness(stack, cosi, stack.claim)
    assert f"the BucketClaim {NAMESPACE}/{NAME} is not bucketReady after 0.5 s; COSI says: waiting for the storage system" in said
    assert f"kubectl -n {NAMESPACE} describe bucketclaims.objectstorage.k8s.io {NAME}" in said
    assert "object_store.ready_timeout_s" in said
    cosi.faults = {"bucketaccesses": "denied"}
    claim = stack.claim()
    said = lateness(stack, cosi, lambda: stack.access(claim))
    assert f"the BucketAccess {NAMESPACE}/{NAME} is not accessGranted after 0.5 s; COSI says: the storage system said no" in said
    assert f"describe bucketaccesses.objectstorage.k8s.io {NAME}" in said
    cosi.faults = {}
    assert stack.access(claim)["access_key"]


FAULTS = {
    "malformed": "is no JSON: nobody could sign a request with it. Cure: make COSI write it again: kubectl",
    "another bucket": "is for the bucket 'another-bucket', and the claim's bucket is 'bc1",
    "wrong key": "it refuses the key that COSI wrote into the Secret cosi-e2e/cosi-e2e-milvus-wrong-key-bucket-info (SignatureDoesNotMatch",
}


def test_a_bucket_info_that_cannot_be_used_is_refused_and_its_key_is_in_no_message(
    stack: Stack, cosi: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential, "_SETTLE_S", 0)
    claim = stack.claim()
    for fault, words in FAULTS.items():
        cosi.faults = {"bucketaccesses": fault}
        with pytest.raises(StoreError) as caught:
            stack.access(claim, f"{NAME}-{fault.replace(' ', '-')}")
        assert words in str(caught.value)
        assert cosi.keys
        assert not [key for key in cosi.keys if key in str(caught.value)]


def test_a_cosi_driver_that_ignores_versions_is_found_out(stack: Stack, cosi: StandIn) -> None:
    cosi.faults, stack.options = {"bucketclaims": "driver 1.0.0"}, BucketOptions(versioned=True)
    with pytest.raises(StoreError, match=r"keeps no old versions, though its class asks for them: HPE's COSI driver before 2\.0\.0"):
        stack.access(stack.claim())


def test_a_claim_of_somebody_else_is_left_alone(stack: Stack, store: S3Server) -> None:
    theirs = Stack(store, owner="somebody/else/uid")
    before = theirs.claim()
    ours = {**manifests.bucket_claim(stack.mark(NAMESPACE), NAME), "timeout_s": LONG_S}
    try:
        with pytest.raises(StoreError, match="the BucketClass cosi-e2e-milvus exists already and belongs to 'somebody/else/uid'"):
            BucketClassProvider().create({**manifests.bucket_class(stack.mark(None), BACKEND, MILVUS), "timeout_s": LONG_S})
        with pytest.raises(StoreError) as caught:
            BucketClaimProvider().create(ours)
        for touch in (BucketClaimProvider().delete, BucketClaimProvider().read):
            with pytest.raises(StoreError, match="left alone"):
                touch("x", ours)
        with opened() as objects:
            found = objects.find(ours)
    finally:
        theirs.end()
    assert f"annotate bucketclaims.objectstorage.k8s.io {NAME} --overwrite {OWNER_TAG}={OWNER}" in str(caught.value)
    assert found is not None
    assert found["metadata"]["annotations"] == before["metadata"]["annotations"]


def test_a_secret_that_is_there_already_is_no_key_of_ours(stack: Stack) -> None:
    secret = V1Secret(metadata=V1ObjectMeta(name=f"{NAME}-bucket-info"), string_data={"BucketInfo": "{}"})
    with kube_api.core() as core:
        core.create_namespaced_secret(NAMESPACE, secret)
        try:
            with pytest.raises(StoreError, match=f"the Secret {NAMESPACE}/{NAME}-bucket-info is there already, and no BucketAccess"):
                stack.access({"bucket": "bc1"})
        finally:
            core.delete_namespaced_secret(f"{NAME}-bucket-info", NAMESPACE)


def test_what_cosi_would_not_follow_is_refused_and_what_is_gone_is_not_made_anew(stack: Stack, store: S3Server) -> None:
    claim = stack.claim()
    key = stack.access(claim)
    (_, asked), *_ = stack.made
    tagged = {**asked, "parameters": {**asked["parameters"], "bucketTags": "a=b"}}
    with pytest.raises(StoreError, match="COSI reads a class only when it makes a bucket: nothing would change"):
        BucketClassProvider().update("x", asked, tagged)
    restored = CosiCredentialProvider().update("x", {**key, "access_key": "", "secret_key": ""}, key).outs
    assert restored is not None
    assert restored["access_key"] == key["access_key"]
    CosiCredentialProvider().delete("", key)
    with pytest.raises(StoreError, match=f"the BucketAccess {NAMESPACE}/{NAME} is not there any more"):
        CosiCredentialProvider().update("x", key, key)
    assert CosiCredentialProvider().read("x", key).id == ""
    assert opens(store, key, claim["bucket"]) == "InvalidAccessKeyId"


def test_a_cluster_without_cosi_is_told_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "VERSION", "v9")
    with pytest.raises(StoreError, match=r"the cluster knows no BucketClass \(objectstorage.k8s.io/v9\).*have an administrator install"):
        stack.claim()
    stack.made = []


def test_an_account_without_the_right_is_told_which_file_has_it(stack: Stack) -> None:
    theirs = manifests.bucket_class(stack.mark(None, "a-class-of-others"), BACKEND, MILVUS)
    with pytest.raises(StoreError, match=r"may not get the BucketClass a-class-of-others \(403\)\. Cure: .*docs/rbac-cosi\.yaml"):
        BucketClassProvider().create({**theirs, "timeout_s": LONG_S})


def key(lab: Lab, name: str) -> dict[str, str]:
    data = lab.kubectl("-n", NAMESPACE, "get", "secret", name)["data"]
    return {part: base64.b64decode(data[part]).decode() for part in ("access_key", "secret_key")}


def test_two_buckets_in_order_then_destroyed_and_the_data_stays(
    lab: Lab, cosi: StandIn, operator: Path, store: S3Server, tmp_path: Path
) -> None:
    place = {"endpoint": store.endpoint, "region": store.region, "ca_pem": store.ca_pem}
    config: dict[str, Any] = {"namespace": NAMESPACE, "place": place, "retain": False}
    program = Program(tmp_path, {**project.environment(), "KUBECONFIG": str(operator)}, SOURCE, config)
    cosi.at_once, cosi.keys = [], []
    said = program.pulumi("up", *QUIET)
    claims = lab.kubectl("-n", NAMESPACE, "get", "bucketclaims.objectstorage.k8s.io")["items"]
    buckets = {claim["metadata"]["name"].removeprefix(f"{NAMESPACE}-"): claim["status"]["bucketName"] for claim in claims}
    keys = {name: key(lab, f"{name}-store") for name in buckets}
    assert [opens(store, keys[name], buckets[name]) for name in ("milvus", "documents")] == ["", ""]
    assert opens(store, keys["milvus"], buckets["documents"]) == "AccessDenied"
    assert cosi.at_once == [], "claims and accesses one after another"
    state = program.state()
    said += program.pulumi("destroy", *QUIET)
    assert len(cosi.keys) == 2
    assert not [secret for secret in cosi.keys if secret in state or secret in said]
    assert "ciphertext" in state
    with store.s3() as s3:
        assert s3.get_object(Bucket=buckets["milvus"], Key="signed")["Body"].read() == b"1"
        assert s3.get_bucket_versioning(Bucket=buckets["documents"])["Status"] == "Enabled"
        rule = s3.get_object_lock_configuration(Bucket=buckets["documents"])["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (rule["Mode"], rule["Days"]) == ("GOVERNANCE", 1)
    assert lab.kubectl("-n", NAMESPACE, "get", "bucketclaims.objectstorage.k8s.io")["items"] == []
