"""What a generator's addresses open at a real S3 server over TLS, and that nothing is left there."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, Server
from tests.validation.load.pods.test_pods import order
from validation.clients.documents import Credential
from validation.judge.profile import Profile
from validation.load.pods import exchange
from validation.load.pods.exchange import PREFIX, LoadBucket, Start, Status
from validation.load.pods.generator import Channel, Generator

pytestmark = pytest.mark.e2e
BUCKET = "rag-milvus"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    s3_server.require()
    root = tmp_path_factory.mktemp("s3")
    with ExitStack() as stack:
        tls = certificates.make(root)
        server = s3_server.start(stack, root, tls, posix=())
        (server.buckets / BUCKET).mkdir()
        yield server, tls.crt_file


@pytest.fixture
def objects(store: tuple[Server, Path]) -> Iterator[LoadBucket]:
    server, ca_file = store
    credential = Credential(access_key=PROFILE, secret_key=ADMIN_KEY)
    ours, theirs = (exchange.connect(server.endpoint, "us-east-1", credential, ca_file) for _ in range(2))
    made = LoadBucket(bucket=BUCKET, run="r1", ours=ours, theirs=theirs)
    yield made
    made.clear()
    made.close()


def left(store: tuple[Server, Path]) -> list[str]:
    return [path.name for path in (store[0].buckets / BUCKET / PREFIX).rglob("*") if path.is_file()]


def test_a_generator_reads_and_writes_its_own_objects_without_a_key(
    store: tuple[Server, Path], objects: LoadBucket, profile: Profile
) -> None:
    given = order(objects, 0, "http://127.0.0.1:9", profile)
    with closing(Channel(given, store[1])) as channel:
        assert channel.start() is None, "nothing is written yet"
        objects.put("start", Start(at_s=3).model_dump_json().encode())
        assert channel.start() == Start(at_s=3)
        objects.put("0/share", b"mine")
        assert Generator(channel).take_share() == b"mine", "one machine, one clock"
        channel.report(Status(done=3))
        channel.report(Status(done=4))
    assert Status.model_validate_json(objects.get("0/status") or b"").done == 4
    assert left(store)
    objects.clear()
    assert left(store) == []


def test_an_address_opens_one_object_in_one_way_alone(store: tuple[Server, Path], objects: LoadBucket) -> None:
    objects.put("0/share", b"mine")
    objects.put("1/share", b"another's")
    reading, writing = (objects.address("0/share", "get", 60), objects.address("0/result", "put", 60))
    with httpx.Client(verify=ssl.create_default_context(cafile=str(store[1]))) as client:
        assert client.get(reading).content == b"mine"
        assert client.put(reading, content=b"x").status_code == 403
        assert client.get(reading.replace("/0/share", "/1/share")).status_code == 403
        assert client.put(writing.replace("/0/result", "/1/result"), content=b"x").status_code == 403
        assert client.delete(writing).status_code == 403
        assert client.put(writing, content=b"result").status_code == 200
    assert objects.get("0/result") == b"result"


def test_what_a_killed_run_left_is_removed_once_nobody_can_use_it(store: tuple[Server, Path], objects: LoadBucket) -> None:
    objects.put("0/share", b"left")
    assert objects.clear_stale() == 0
    assert left(store) == ["share"]
    assert objects.clear_stale(dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)) == 1
    assert left(store) == []
