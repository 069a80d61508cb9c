"""Driver `existing`: a real store, and a stand-in for the one call to the API server that reads the Secret."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from botocore.exceptions import HTTPClientError

from components import stores
from components.dynamic_provider import ProviderError
from components.stores import BucketOptions, StoreError
from components.stores.connection import FOR_USER, explained
from components.stores.existing import ExistingCredentialProvider
from components.stores.s3 import S3BucketProvider, S3CredentialProvider, S3Server
from tests.s3_server import ADMIN_KEY, PROFILE

pytestmark = pytest.mark.e2e
PROVIDER = ExistingCredentialProvider("milvus-x10000:object_store")
OWNER = "somebody/else/uid"


class ApiServer(http.server.ThreadingHTTPServer):
    """Answers GET of a Secret as Kubernetes does."""

    secrets: dict[str, dict[str, str]]
    status = 404

    def kubeconfig(self) -> str:
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        return yaml.safe_dump({"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context], "current-context": "x"})


class Handler(http.server.BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        found = self.server.secrets.get(self.path)
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in (found or {}).items()}
        body = json.dumps({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "key"}, "data": encoded}).encode()
        self.send_response(200 if found is not None else self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ApiServer]:
    server = ApiServer(("127.0.0.1", 0), Handler)
    server.secrets = {}
    (tmp_path / "kubeconfig").write_text(server.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(store: S3Server) -> str:
    name = f"theirs-{uuid4().hex[:12]}"
    S3BucketProvider().create({**store.inputs(), "bucket": name, "owner": OWNER, **BucketOptions(versioned=False).inputs()})
    return name


def key_for(store: S3Server, bucket: str) -> dict[str, str]:
    made = S3CredentialProvider().create(
        {**store.inputs(), "user": f"u-{uuid4().hex[:12]}", "policy": stores.document(bucket, stores.MILVUS), "owner": OWNER}
    )
    assert made.outs is not None
    return {"access_key": made.outs["access_key"], "secret_key": made.outs["secret_key"]}


@pytest.fixture
def inputs(store: S3Server, bucket: str) -> dict[str, Any]:
    place = {"endpoint": store.endpoint, "region": store.region, "ca_pem": store.ca_pem}
    secret = {"secret_namespace": "storage", "secret_name": "key"}
    return {**place, **secret, "bucket": bucket, "versioned": False, "credential_generation": 1}


def put(api: ApiServer, key: dict[str, str]) -> None:
    api.secrets = {"/api/v1/namespaces/storage/secrets/key": key}


def outputs(made: Any) -> dict[str, Any]:
    assert made.outs is not None
    found: dict[str, Any] = made.outs
    return found


def test_a_good_secret_gives_its_key_and_a_generation(api: ApiServer, store: S3Server, inputs: dict[str, Any], bucket: str) -> None:
    key = key_for(store, bucket)
    put(api, {**key, "note": "more is no harm"})
    made = outputs(PROVIDER.create(inputs))
    assert {name: made[name] for name in key} == key
    assert made["generation"]
    assert outputs(PROVIDER.read(bucket, made)) == made
    assert not PROVIDER.diff(bucket, made, inputs).changes


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_line_end_that_echo_leaves_is_no_part_of_the_key(
    api: ApiServer, store: S3Server, inputs: dict[str, Any], bucket: str, line_end: str
) -> None:
    key = key_for(store, bucket)
    put(api, {name: f"{value}{line_end}" for name, value in key.items()})
    made = outputs(PROVIDER.create(inputs))
    assert {name: made[name] for name in key} == key


def test_a_changed_secret_is_a_new_generation_and_an_unchanged_one_is_not(
    api: ApiServer, store: S3Server, inputs: dict[str, Any], bucket: str
) -> None:
    put(api, key_for(store, bucket))
    made = outputs(PROVIDER.create(inputs))
    raised = {**inputs, "credential_generation": 2}
    assert PROVIDER.diff(bucket, made, raised).changes
    same = outputs(PROVIDER.update(bucket, made, raised))
    assert same["generation"] == made["generation"]
    put(api, key_for(store, bucket))
    renewed = outputs(PROVIDER.update(bucket, same, raised))
    assert renewed["generation"] != made["generation"]
    assert renewed["secret_key"] != made["secret_key"]


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, ["there is no Secret storage/key", "kubectl -n storage create secret generic key --from-file=access_key"]),
        ({}, ["has no access_key and no secret_key, it has nothing"]),
        ({"access_key": "AKIA 1", "secret_key": "hunter2"}, ["has a space in access_key"]),
        ({"accesskey": "x", "secret_key": "y"}, ["has no access_key, it has accesskey, secret_key"]),
        ({"access_key": "nobody", "secret_key": "hunter2"}, ["refuses the key in the Secret storage/key", "InvalidAccessKeyId"]),
    ],
)
def test_a_secret_that_cannot_work_is_named_with_the_cure_and_never_shown(
    api: ApiServer, inputs: dict[str, Any], secret: dict[str, str] | None, words: list[str]
) -> None:
    if secret is not None:
        put(api, secret)
    with pytest.raises(ProviderError) as refused:
        PROVIDER.create(inputs)
    for word in words:
        assert word in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "AKIA" not in str(refused.value)


def test_what_a_library_says_of_a_request_is_not_repeated_since_its_headers_hold_the_credential() -> None:
    words = HTTPClientError(error=ValueError("Invalid header value b'AWS4-HMAC-SHA256 Credential=AKIA1/20260101'"))
    with (
        pytest.raises(StoreError, match="no request can be sent") as refused,
        explained("https://s", "read it", FOR_USER, secret="storage/key"),
    ):
        raise words
    assert refused.value.code == "store.request_not_sent"
    assert "AKIA" not in str(refused.value)


def test_a_secret_that_may_not_be_read_is_told_apart(api: ApiServer, inputs: dict[str, Any]) -> None:
    api.status = 403
    with pytest.raises(ProviderError, match=r"may not read the Secret storage/key \(403\)"):
        PROVIDER.create(inputs)


def test_another_buckets_key_and_a_bucket_that_is_not_there_are_told_apart(api: ApiServer, store: S3Server, inputs: dict[str, Any]) -> None:
    put(api, key_for(store, "another"))
    with pytest.raises(StoreError, match=r"may not do that .*s3:ListBucket"):
        PROVIDER.create(inputs)
    put(api, key_for(store, "not-there"))
    with pytest.raises(StoreError, match=r"there is no such bucket .*wait for it without end"):
        PROVIDER.create({**inputs, "bucket": "not-there"})


def test_delete_deletes_nothing(api: ApiServer, store: S3Server, inputs: dict[str, Any], bucket: str) -> None:
    put(api, key_for(store, bucket))
    made = outputs(PROVIDER.create(inputs))
    PROVIDER.delete(bucket, made)
    assert outputs(PROVIDER.read(bucket, made)) == made


def test_a_bucket_whose_versions_do_not_fit_its_use_is_refused_with_the_cure(
    api: ApiServer, store: S3Server, inputs: dict[str, Any]
) -> None:
    put(api, {"access_key": PROFILE, "secret_key": ADMIN_KEY})
    reasons = {True: "keeps old versions, so what Milvus compacts away", False: "keeps no old versions, so a document that is changed"}
    for versioned, why in reasons.items():
        name = f"theirs-{uuid4().hex[:12]}"
        S3BucketProvider().create({**store.inputs(), "bucket": name, "owner": OWNER, **BucketOptions(versioned=versioned).inputs()})
        with pytest.raises(StoreError, match=why):
            PROVIDER.create({**inputs, "bucket": name, "versioned": not versioned})
        assert PROVIDER.create({**inputs, "bucket": name, "versioned": versioned}).outs
