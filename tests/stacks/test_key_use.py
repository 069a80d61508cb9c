"""A key counts as in use only by what the store answers to it and what the pods carry."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from components.milvus_values import CREDENTIAL_ANNOTATION
from components.stores import Connection, s3_client
from stacks.commands import rotate
from stacks.commands.rotate import refusal
from stacks.problems import UnansweredError
from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, Server
from tests.validation.services import kubeconfig, serving

BUCKET = "rag-milvus"
GOOD = {"access_key": PROFILE, "secret_key": ADMIN_KEY, "generation": "new", "bucket": BUCKET}
GONE = {"access_key": "no-longer-there", "secret_key": "x" * 20, "generation": "old", "bucket": BUCKET}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with one bucket."""
    s3_server.require()
    root = tmp_path_factory.mktemp("store")
    with ExitStack() as stack:
        started = s3_server.start(stack, root, certificates.make(root))
        with s3_client(Connection(endpoint=started.endpoint, region="us-east-1", ca_pem=started.ca_pem), PROFILE, ADMIN_KEY) as s3:
            s3.create_bucket(Bucket=BUCKET)
        yield started


def settings(server: Server, endpoint: str = "") -> Any:
    store = SimpleNamespace(endpoint=endpoint or server.endpoint, region="us-east-1", ca_pem=server.ca_pem)
    return SimpleNamespace(object_store=store, milvus_bucket=BUCKET)


@pytest.mark.e2e
def test_each_key_is_told_by_the_stores_own_answer(server: Server) -> None:
    assert refusal(settings(server), GOOD) == ""
    assert refusal(settings(server), GONE) == "InvalidAccessKeyId"
    assert refusal(settings(server), {**GOOD, "secret_key": "wrong"}) == "SignatureDoesNotMatch"
    for key, endpoint in ((GOOD, "https://127.0.0.1:1"), ({**GOOD, "bucket": "named-by-cosi"}, "")):
        with pytest.raises(UnansweredError) as unanswered:
            refusal(settings(server, endpoint), key)
        assert unanswered.value.code == "store.unanswered"


@pytest.fixture
def pods() -> list[dict[str, Any]]:
    """What the API lists; a test changes it."""
    return []


@pytest.fixture
def _cluster(pods: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An API server that lists the pods."""
    monkeypatch.setattr(rotate, "_WITHIN_S", 0)
    path = "/api/v1/namespaces/rag/pods"
    with serving(Starlette(routes=[Route(path, lambda _: JSONResponse({"items": pods}))])) as address:
        (tmp_path / "kubeconfig").write_text(kubeconfig(address))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield


def pod(name: str, generation: str, *, ready: bool = True) -> dict[str, Any]:
    metadata = {"name": name, "annotations": {CREDENTIAL_ANNOTATION: generation}}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    ("there", "behind"),
    [
        ([pod("milvus-1", "new")], []),
        ([pod("milvus-1", "new"), pod("milvus-0", "old")], ["milvus-0"]),
        ([pod("milvus-1", "new", ready=False)], ["milvus-1"]),
        ([], ["none"]),
    ],
)
def test_every_pod_has_to_be_ready_with_the_new_key(pods: list[dict[str, Any]], there: list[dict[str, Any]], behind: list[str]) -> None:
    pods += there
    assert rotate.await_use("rag", GOOD) == behind


@pytest.mark.usefixtures("_cluster")
def test_a_cluster_that_does_not_list_pods_is_said() -> None:
    with pytest.raises(UnansweredError) as unanswered:
        rotate.await_use("another-namespace", GOOD)
    assert unanswered.value.code == "cluster.unanswered"
