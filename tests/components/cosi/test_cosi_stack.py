"""`ObjectStore` twice with the driver cosi under the real Pulumi: in order, and destroyed; the key is nowhere but in its Secret."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from components.s3.store import Store
from lab import project
from tests.components.cosi.conftest import NAMESPACE
from tests.components.cosi.stand_in import StandIn
from tests.components.cosi.test_cosi import opens
from tests.e2e.lab import Lab
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e
SOURCE = """
import pulumi
from components.bucket_options import BucketOptions
from components.cosi.driver import CosiDriver
from components.cosi.manifests import Backend
from components.cosi.place import Place
from components.generations import Generations
from components.object_store import ObjectStore
from components.s3 import policy
from components.store_driver import ObjectStoreArgs

config = pulumi.Config()
namespace, retain = config.require("namespace"), config.require_bool("retain")
backend = Backend(driver_name="cosi.hpe.com", secret="hpe-object-backend", secret_namespace="hpe-cosi")
first = []
for name, versioned in (("milvus", False), ("documents", True)):
    driver = CosiDriver(backend=backend, place=Place(**config.require_object("place")), timeout_s=60, after=tuple(first))
    args = ObjectStoreArgs(
        driver=driver, bucket=f"{namespace}-{name}", options=BucketOptions(versioned=versioned), permissions=policy.MILVUS,
        owner="e2e/uid", namespace=namespace, retain=retain, generations=Generations(),
    )
    first = [ObjectStore(f"{name}-store", args)]
    pulumi.export(name, first[0].bucket)
"""
QUIET = ("--yes", "--skip-preview", "--non-interactive")


def key(lab: Lab, name: str) -> dict[str, str]:
    data = lab.kubectl("-n", NAMESPACE, "get", "secret", name)["data"]
    return {part: base64.b64decode(data[part]).decode() for part in ("access_key", "secret_key")}


def test_two_buckets_in_order_then_destroyed_and_the_data_stays(
    lab: Lab, cosi: StandIn, operator: Path, store: Store, tmp_path: Path
) -> None:
    place = {"endpoint": store.endpoint, "region": store.region, "ca_pem": store.ca_pem}
    config: dict[str, Any] = {"namespace": NAMESPACE, "place": place, "retain": False}
    program = Program(tmp_path, {**project.environment(), "KUBECONFIG": str(operator)}, SOURCE, config)
    cosi.at_once, cosi.keys = [], []
    said = program.pulumi("up", *QUIET)
    buckets = json.loads(program.pulumi("stack", "output", "--json"))
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
    assert lab.kubectl("-n", NAMESPACE, "get", "bucketclaims.objectstorage.k8s.io")["items"] == []
