"""`ObjectStore` with the driver greenlake under the real Pulumi: killed in the middle, completed by the next run, destroyed."""

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from lab import daemons, project
from lab.daemons import GREENLAKE_SYSTEM
from lab.places import PKI, STATE, network
from tests import certificates
from tests.e2e.lab import Lab
from tests.e2e.leaks import KINDS, search
from tests.e2e.program import Program
from tests.emulators.greenlake.backend import Servers
from tests.emulators.misbehaving_greenlake import Misbehaving, served

pytestmark = [pytest.mark.e2e, pytest.mark.proof]
NAMESPACE = "store-e2e"
PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
from pathlib import Path
from components.stores import ObjectStore
from components.stores import MILVUS, BucketOptions, Generations, ObjectStoreArgs
from components.stores.greenlake import GreenLakeStore, GreenLakeSystem

chosen = pulumi.Config().require_object("system")
ca_pem, api_ca_pem = (Path(chosen.pop(name)).read_text() for name in ("ca_file", "api_ca_file"))
namespace = k8s.core.v1.Namespace("namespace", metadata={{"name": "{namespace}"}})
ObjectStore("store", ObjectStoreArgs(
    store=GreenLakeStore(system=GreenLakeSystem(**chosen, region="us-east-1", ca_pem=ca_pem, api_ca_pem=api_ca_pem)),
    bucket="{namespace}-bucket", options=BucketOptions(versioned=False), permissions=MILVUS,
    owner=pulumi.Output.concat("e2e/", namespace.metadata["uid"]), namespace=namespace.metadata["name"],
    retain=False, generations=Generations(**pulumi.Config().get_object("generations") or {{}}),
))
"""


@pytest.fixture
def api(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Misbehaving, str, Path]]:
    """An emulator of this test's own on the lab's store, which misbehaves; its URL, and the file of its CA."""
    assert lab
    net, home = network(), tmp_path_factory.mktemp("greenlake")
    servers = Servers(
        s3=net.s3_endpoint,
        iam=net.iam_endpoint,
        ca_file=PKI / "store-ca.crt",
        administrator=daemons.administrator(),
        iam_folder=STATE / "store" / "iam",
    )
    client, tls = (PKI / "greenlake").read_text().split(), certificates.make(home)
    emulator = Misbehaving(servers, home, (client[3], client[6]), GREENLAKE_SYSTEM)
    with served(emulator, tls.crt_file, tls.key_file) as url:
        yield emulator, url, tls.crt_file


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


def names(api: Misbehaving, collection: str) -> list[str]:
    listing = {"users": api.backend.users, "access-policies": api.backend.policies, "buckets": api.backend.buckets}
    return [name for name in listing[collection]() if name.startswith(NAMESPACE)]


def test_a_killed_run_is_completed_a_rotation_that_failed_too_no_key_leaks_and_destroy_leaves_nothing(
    lab: Lab, api: tuple[Misbehaving, str, Path], tmp_path: Path
) -> None:
    net, (emulator, url, api_ca_file) = network(), api
    system = {
        "api_endpoint": url,
        "token_url": f"{url}/as/token.oauth2",
        "system_id": GREENLAKE_SYSTEM,
        "client_profile": "lab",
        "endpoint": net.s3_endpoint,
        "ca_file": str(PKI / "store-ca.crt"),
        "api_ca_file": str(api_ca_file),
    }
    program = Program(tmp_path, project.environment(), PROGRAM.format(namespace=NAMESPACE), {"system": system})
    emulator.misbehave("slow", method="PUT", path="/apply-policy", seconds=8)
    killed = program.start("up", "--yes", "--skip-preview", "--non-interactive")
    end = time.monotonic() + 60
    while not names(emulator, "users") and time.monotonic() < end:
        time.sleep(0.2)
    kill(killed)
    assert len(names(emulator, "users")) == 1
    for lock in (tmp_path / "backend" / ".pulumi" / "locks").rglob("*.json"):
        lock.unlink()
    program.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--non-interactive")
    program.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert len(names(emulator, "users")) == len(names(emulator, "access-policies")) == len(names(emulator, "buckets")) == 1
    first = key(lab)
    assert answer(first) == ""
    assert "ciphertext" in program.state()
    emulator.misbehave("fail", method="PUT", path="/apply-policy", message="pool is full")
    assert "pool is full" in rotate(program, current=2, revoked=0, fails=True)
    assert key(lab) == first, "a rotation that failed leaves the key that works"
    rotate(program, current=2, revoked=0)
    second = key(lab)
    assert (answer(first), answer(second), len(names(emulator, "users"))) == ("", "", 2)
    rotate(program, current=2, revoked=1)
    assert (answer(first), answer(second), len(names(emulator, "users"))) == ("InvalidAccessKeyId", "", 1)
    client_secret = (PKI / "greenlake").read_text().split()[6]
    secrets = {"old/secret_key": first[1], "new/secret_key": second[1], "api/client_secret": client_secret}
    seen, leaks = search(lab, secrets, tmp_path / "backend")
    assert seen >= KINDS - {"report"}
    assert not leaks
    program.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert [names(emulator, collection) for collection in ("users", "access-policies", "buckets")] == [[], [], []]
