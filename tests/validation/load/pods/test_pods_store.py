"""What a generator's addresses open at a real S3 server over TLS, and that nothing is left there."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, Server
from tests.validation.load.pods.test_pods import order
from validation.clients.documents import Credential
from validation.judge.profile import Profile
from validation.load.pods import mailbox
from validation.load.pods.exchange import Status, Word
from validation.load.pods.generator import Mail
from validation.load.pods.mailbox import PREFIX, Mailbox

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
def box(store: tuple[Server, Path]) -> Iterator[Mailbox]:
    server, ca_file = store
    credential = Credential(access_key=PROFILE, secret_key=ADMIN_KEY)
    ours, theirs = (mailbox.connect(server.endpoint, "us-east-1", credential, ca_file) for _ in range(2))
    made = Mailbox(bucket=BUCKET, run="r1", ours=ours, theirs=theirs)
    yield made
    made.clear()
    made.close()


def left(store: tuple[Server, Path]) -> list[str]:
    return [path.name for path in (store[0].buckets / BUCKET / PREFIX).rglob("*") if path.is_file()]


def test_a_generator_reads_and_writes_its_own_objects_without_a_key(store: tuple[Server, Path], box: Mailbox, profile: Profile) -> None:
    given = order(box, 0, "http://127.0.0.1:9", profile)
    with Mail(given, store[1]) as mail:
        assert mail.word() == Word(), "nothing was said yet"
        box.put("word", Word(number=3).model_dump_json().encode())
        assert mail.word().number == 3
        mail.tell(Status(heard=3))
        mail.tell(Status(heard=4))
    assert Status.model_validate_json(box.get("0/status") or b"").heard == 4
    assert left(store)
    box.clear()
    assert left(store) == []


def test_an_address_opens_one_object_in_one_way_alone(store: tuple[Server, Path], box: Mailbox) -> None:
    box.put("0/share", b"mine")
    box.put("1/share", b"another's")
    reading, writing = (box.address("0/share", "get", 60), box.address("0/result", "put", 60))
    with httpx.Client(verify=ssl.create_default_context(cafile=str(store[1]))) as client:
        assert client.get(reading).content == b"mine"
        assert client.put(reading, content=b"x").status_code == 403
        assert client.get(reading.replace("/0/share", "/1/share")).status_code == 403
        assert client.put(writing.replace("/0/result", "/1/result"), content=b"x").status_code == 403
        assert client.delete(writing).status_code == 403
        assert client.put(writing, content=b"result").status_code == 200
    assert box.get("0/result") == b"result"


def test_what_a_killed_run_left_is_removed_once_nobody_can_use_it(store: tuple[Server, Path], box: Mailbox) -> None:
    box.put("0/share", b"left")
    assert box.clear_stale() == 0
    assert left(store) == ["share"]
    assert box.clear_stale(dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)) == 1
    assert left(store) == []
