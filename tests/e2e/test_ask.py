"""Questions on the lab: the pod that `./rag up` declares, a tenant's database on the real Milvus, the page in a browser, three clients.

Documents of these tests are in a collection of their own in the stack's database, and in a database of their own. The pod knows the key of
the first alone; the page is served from here, with the lab's Milvus, models and store behind it, since a pod's keys are the stack's.
"""

import base64
import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab.errors import LabError
from tests.e2e.lab import Lab, run
from tests.page import run as page
from tests.page.served import FEW, documents, pages
from tests.validation.ask.stage import PUMP, ingest, refuse_to_answer, write_documents
from validation.clients import kube, milvus
from validation.clients.connect import Connector
from validation.clients.target import Target

pytestmark = pytest.mark.e2e

COLLECTION = DATABASE = "ask_e2e"
TENANT = "key-of-the-tenant"
QUESTION = "How much does the pump lift?"


@dataclass(frozen=True, kw_only=True)
class Room:
    """The lab with something to ask."""

    lab: Lab
    collection: str
    """In the stack's own database."""
    key: str
    urls: dict[str, str]
    """Of the page that is served from here."""

    def pod(self, **headers: str) -> httpx.Client:
        url = self.lab.environment()["ASK_URL"]
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.key}", **headers}, timeout=60, trust_env=False)

    def tenant(self) -> httpx.Client:
        return httpx.Client(base_url=self.urls[""], headers={"Authorization": f"Bearer {TENANT}"}, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def room(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home, outputs = tmp_path_factory.mktemp("ask"), lab.outputs()
    aim = Target.model_validate(outputs)
    secret = lab.kubectl("-n", "rag", "get", "secret", "ask-api-key")["data"]["api_key"]
    key = base64.b64decode(secret).decode()
    with ExitStack() as closing:
        kubernetes = kube.connect()
        closing.callback(kubernetes.close)
        connector = Connector(target=aim, kubernetes=kubernetes, closing=closing, secrets=[])
        uri, models, originals = kubernetes.address(aim.milvus_uri), connector.models(60), connector.documents()
        kube.bypass_proxies([uri, *(kubernetes.address(url) for url in (aim.embedding_url, aim.llm_url, aim.object_store_endpoint))])
        client = MilvusClient(uri=uri, timeout=30)
        closing.callback(client.close)
        _forget(client, uri)
        client.create_database(DATABASE)
        closing.callback(_forget, client, uri)
        for database, name, root in (
            ("default", COLLECTION, write_documents(home / "small")),
            (DATABASE, "handbook", documents(home / "documents", FEW)),
        ):
            store = milvus.connect(uri, database)
            closing.callback(store.close)
            ingest(root, name, store, documents=originals, embedding=models.embedding, aim=aim)
        refuse_to_answer(store, aim)
        urls = pages(closing, outputs, kubernetes, {"default": key, DATABASE: TENANT})
        yield Room(lab=lab, collection=COLLECTION, key=key, urls=urls)


def _forget(client: MilvusClient, uri: str) -> None:
    """Remove what these tests make in Milvus, those of an interrupted run too; originals stay, which this credential may not delete."""
    client.drop_collection(COLLECTION, timeout=60)
    if DATABASE in client.list_databases():
        own = MilvusClient(uri=uri, db_name=DATABASE, timeout=30)
        for name in own.list_collections():
            own.drop_collection(name)
        own.close()
        client.drop_database(DATABASE)


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": QUESTION}], **more}


def test_the_pod_is_ready_without_root_a_writable_root_or_a_token_of_the_cluster(lab: Lab) -> None:
    (pod,) = lab.kubectl("-n", "rag", "get", "pods", "-l", "app.kubernetes.io/name=ask")["items"]
    (container,), (state,) = pod["spec"]["containers"], pod["status"]["containerStatuses"]
    assert (state["ready"], pod["spec"]["securityContext"]["runAsNonRoot"]) == (True, True)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not [mount for mount in container["volumeMounts"] if "serviceaccount" in mount["mountPath"]]
    (service,) = lab.kubectl("-n", "rag", "get", "endpointslices", "-l", "kubernetes.io/service-name=ask")["items"]
    assert [each["conditions"]["ready"] for each in service["endpoints"]] == [True]


def test_the_pod_opens_for_its_key_alone(room: Room) -> None:
    with room.pod(Authorization="") as without, room.pod(Authorization="Bearer wrong") as wrong, room.pod() as right:
        assert without.get("health").json() == {"status": "ok"}
        assert [client.get("v1/models").status_code for client in (without, wrong)] == [401, 401]
        assert room.collection in [model["id"] for model in right.get("v1/models").json()["data"]]
        assert "Ask the documents" in without.get("").text


def test_the_pod_streams_an_answer_whose_citation_opens_the_very_original(room: Room) -> None:
    with room.pod() as client:
        found = client.post("v1/search", json={"query": QUESTION, "collection": room.collection}).raise_for_status().json()
        streamed = client.post("v1/chat/completions", json=chat(room.collection, stream=True)).raise_for_status().text
        metrics = client.get("metrics").text
    assert found["data"][0]["source"] == "en/pump.md"
    first, *pieces, last = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert "40 litres a minute" in "".join(each["choices"][0]["delta"]["content"] for each in pieces)
    assert first["passages"][0]["text"] == found["data"][0]["text"]
    cited = next(each for each in last["citations"] if each["id"] == found["data"][0]["id"])
    trusting = ssl.create_default_context(cafile=room.lab.environment()["AWS_CA_BUNDLE"])
    original = httpx.get(cited["link"], verify=trusting, trust_env=False).content
    assert (original, hashlib.sha256(original).hexdigest()) == (PUMP.encode(), found["data"][0]["sha256"])
    assert 'ask_requests_total{endpoint="chat",status="200"}' in metrics
    assert room.key not in metrics


@pytest.mark.parametrize(
    ("collection", "status", "code"),
    [
        ("nowhere", 404, "ask.no_collection"),
        ("released", 409, "ask.released"),
        ("empty", 409, "ask.empty"),
        ("other_model", 409, "ask.foreign"),
    ],
)
def test_a_real_milvus_says_why_a_collection_cannot_be_asked(room: Room, collection: str, status: int, code: str) -> None:
    with room.tenant() as client:
        told = client.post("v1/chat/completions", json=chat(collection))
    assert (told.status_code, told.json()["error"]["code"]) == (status, code)


def test_a_tenants_key_sees_its_own_database_and_nothing_of_the_stacks(room: Room) -> None:
    with (
        room.tenant() as tenant,
        httpx.Client(base_url=room.urls[""], headers={"Authorization": f"Bearer {room.key}"}, timeout=60) as stack,
    ):
        passage = stack.post("/v1/search", json={"query": QUESTION, "collection": room.collection}).json()["data"][0]
        assert {model["id"] for model in tenant.get("/v1/models").json()["data"]} == {"handbook", "empty", "released", "other_model"}
        refused = [
            tenant.post("/v1/search", json={"query": QUESTION, "collection": room.collection}),
            tenant.post("/v1/chat/completions", json=chat(room.collection)),
            tenant.get(f"/v1/passages/{passage['id']}", params={"collection": room.collection}),
            stack.post("/v1/search", json={"query": QUESTION, "collection": "handbook"}),
        ]
        assert tenant.post("/v1/search", json={"query": QUESTION, "collection": "handbook"}).status_code == 200
    assert [(each.status_code, each.json()["error"]["code"]) for each in refused] == [(404, "ask.no_collection")] * 4
    assert not [each for each in refused if "40 litres" in each.text]


@pytest.mark.proof
def test_a_person_asks_in_a_browser_in_two_languages_and_without_each_part(room: Room, tmp_path: Path) -> None:
    try:
        command = page.look(room.urls, TENANT, tmp_path)
    except LabError as error:
        pytest.skip(f"no browser to look with: {error}")
    ended = run([str(part) for part in command])
    assert ended.code == 0, ended.output


@pytest.mark.proof
def test_the_sdk_of_openai_langchain_and_llama_index_are_answered(room: Room) -> None:
    try:
        command = page.ask(room.urls[""], TENANT)
    except LabError as error:
        pytest.skip(f"the clients cannot be installed: {error}")
    ended = run([str(part) for part in command])
    assert ended.code == 0, ended.output
