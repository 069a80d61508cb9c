"""`ObjectStore` with the driver greenlake under the real Pulumi: killed in the middle, completed by the next run, destroyed."""

import base64
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import boto3
import httpx
import psutil
import pytest
from botocore.exceptions import ClientError

from lab import project
from lab.daemons import GREENLAKE_SYSTEM
from lab.places import PKI, network
from tests.e2e.lab import Lab
from tests.e2e.leaks import KINDS, search
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e
NAMESPACE = "store-e2e"
PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
from pathlib import Path
from components.object_store import ObjectStore
from components.stores import MILVUS, BucketOptions, Generations, ObjectStoreArgs
from components.stores.greenlake import GreenLakeStore, GreenLakeSystem

chosen = pulumi.Config().require_object("system")
ca_pem = Path(chosen.pop("ca_file")).read_text()
namespace = k8s.core.v1.Namespace("namespace", metadata={{"name": "{namespace}"}})
ObjectStore("store", ObjectStoreArgs(
    store=GreenLakeStore(system=GreenLakeSystem(**chosen, region="us-east-1", ca_pem=ca_pem, api_ca_pem=ca_pem)),
    bucket="{namespace}-bucket", options=BucketOptions(versioned=False), permissions=MILVUS,
    owner=pulumi.Output.concat("e2e/", namespace.metadata["uid"]), namespace=namespace.metadata["name"],
    retain=False, generations=Generations(**pulumi.Config().get_object("generations") or {{}}),
))
"""


@pytest.fixture
def api(lab: Lab) -> Iterator[httpx.Client]:
    """The emulator as its API client, to let it misbehave and to look what is there."""
    assert lab
    net, client = network(), (PKI / "greenlake").read_text().split()
    form = {"grant_type": "client_credentials", "client_id": client[3], "client_secret": client[6]}
    context = ssl.create_default_context(cafile=str(PKI / "store-ca.crt"))
    with httpx.Client(base_url=net.greenlake_endpoint, verify=context, timeout=30) as http:
        token = http.post("/as/token.oauth2", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http
        http.delete("/emulator/faults")


def kill(process: subprocess.Popen[str]) -> None:
    """With its plugins, at once."""
    everything = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in everything:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.communicate()


def rotate(program: Program, *, current: int, revoked: int, fails: bool = False) -> str:
    """One step of a rotation, as the settings ask for it."""
    program.configure("generations", {"current": current, "revoked": revoked})
    return program.pulumi("up", "--yes", "--skip-preview", "--non-interactive", fails=fails)


def key(lab: Lab) -> tuple[str, str]:
    """Access key and secret key as the Secret has them."""
    secret = lab.kubectl("-n", NAMESPACE, "get", "secret", "store")["data"]
    access_key, secret_key = (base64.b64decode(secret[name]).decode() for name in ("access_key", "secret_key"))
    return access_key, secret_key


def answer(pair: tuple[str, str]) -> str:
    """What the store says to a key: "" when it takes it."""
    session = boto3.Session(*pair, region_name="us-east-1")
    with closing(session.client("s3", endpoint_url=network().s3_endpoint, verify=str(PKI / "store-ca.crt"))) as s3:
        try:
            s3.list_objects_v2(Bucket=f"{NAMESPACE}-bucket")  # a body would meet a connection that a refusal has closed
        except ClientError as error:
            return str(error.response["Error"]["Code"])
    return ""


def names(api: httpx.Client, collection: str) -> list[str]:
    path = f"/object-storage/v1alpha1/devtype7-storage-systems/{GREENLAKE_SYSTEM}/{collection}"
    return [item["name"] for item in api.get(path, params={"limit": 10}).json()["items"] if item["name"].startswith(NAMESPACE)]


def test_a_killed_run_is_completed_a_rotation_that_failed_too_no_key_leaks_and_destroy_leaves_nothing(
    lab: Lab, api: httpx.Client, tmp_path: Path
) -> None:
    net = network()
    system = {
        "api_endpoint": net.greenlake_endpoint,
        "token_url": f"{net.greenlake_endpoint}/as/token.oauth2",
        "system_id": GREENLAKE_SYSTEM,
        "client_profile": "lab",
        "endpoint": net.s3_endpoint,
        "ca_file": str(PKI / "store-ca.crt"),
    }
    program = Program(tmp_path, project.environment(), PROGRAM.format(namespace=NAMESPACE), {"system": system})
    api.post("/emulator/faults", json={"kind": "slow", "method": "PUT", "path": "/apply-policy", "seconds": 8})
    killed = program.start("up", "--yes", "--skip-preview", "--non-interactive")
    end = time.monotonic() + 60
    while not names(api, "users") and time.monotonic() < end:
        time.sleep(0.2)
    kill(killed)
    assert len(names(api, "users")) == 1
    for lock in (tmp_path / "backend" / ".pulumi" / "locks").rglob("*.json"):
        lock.unlink()
    program.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--non-interactive")
    program.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert len(names(api, "users")) == len(names(api, "access-policies")) == len(names(api, "buckets")) == 1
    first = key(lab)
    assert answer(first) == ""
    assert "ciphertext" in program.state()
    api.post("/emulator/faults", json={"kind": "fail", "method": "PUT", "path": "/apply-policy", "message": "pool is full"})
    assert "pool is full" in rotate(program, current=2, revoked=0, fails=True)
    assert key(lab) == first, "a rotation that failed leaves the key that works"
    rotate(program, current=2, revoked=0)
    second = key(lab)
    assert (answer(first), answer(second), len(names(api, "users"))) == ("", "", 2)
    rotate(program, current=2, revoked=1)
    assert (answer(first), answer(second), len(names(api, "users"))) == ("InvalidAccessKeyId", "", 1)
    client_secret = (PKI / "greenlake").read_text().split()[6]
    secrets = {"old/secret_key": first[1], "new/secret_key": second[1], "api/client_secret": client_secret}
    seen, leaks = search(lab, secrets, tmp_path / "backend")
    assert seen >= KINDS - {"report"}
    assert not leaks
    program.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert [names(api, collection) for collection in ("users", "access-policies", "buckets")] == [[], [], []]
