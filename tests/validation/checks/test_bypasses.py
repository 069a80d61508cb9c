"""The known ways around authentication, tried on a Milvus that is open, on one with the fixes, and on a port where nobody is.

Whether a real Milvus answers like the open one is shown on the lab: tests/e2e/access/test_isolation.py.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc  # type: ignore[import-untyped]  # pymilvus has no types
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.validation.services import serving
from validation.checks import isolation
from validation.checks.isolation import by_the_way_around, bypasses
from validation.clients.login import Login, Logins
from validation.clients.milvus_connection import DEFAULT_TLS
from validation.judge import judgement, validity
from validation.judge.errors import Outcome
from validation.run.record import Record

SECRET = "the-key-of-the-store"
LOGINS = Logins(**{name: lambda name=name: Login(user=name, password=f"of-{name}") for name in ("search", "ingest", "admin")})
PROFILE: Any = SimpleNamespace(objectives={}, score=None)


@dataclass
class Server(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]  # pymilvus has no types
    """Both ports of a Milvus with authentication."""

    is_open: bool
    seen: list[str] = field(default_factory=list)

    def ListCredUsers(self, _: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the name that gRPC calls
        metadata: dict[str, Any] = dict(context.invocation_metadata())
        user = base64.b64decode(metadata.get("authorization", "")).decode().partition(":")[0]
        is_member = base64.b64decode(metadata.get("sourceid", "")) == b"@@milvus-member@@"
        if not (is_member and self.is_open and user == "root"):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "missing authorization in header")
        return milvus_pb2.ListCredUsersResponse(usernames=["root"])

    def rest(self, request: Request) -> Response:
        self.seen.append(request.headers.get("authorization", ""))
        return JSONResponse({"status": {}, "usernames": ["root"]}, 200 if self.is_open else 404)

    def expr(self, request: Request) -> Response:
        if not self.is_open or request.query_params["auth"] != "milvus":
            return JSONResponse({"msg": "the expr auth is invalid"}, 500 if self.is_open else 403)
        return JSONResponse({"output": str(eval(request.query_params["code"])), "code": SECRET})  # noqa: S307 - our own sum


@contextmanager
def milvus(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    app = Starlette(routes=[Route("/api/v1/credential/users", server.rest), Route("/expr", server.expr)])
    grpc_server = grpc.server(ThreadPoolExecutor(2))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(server, grpc_server)
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    try:
        with serving(app) as metrics:
            monkeypatch.setattr(isolation, "METRICS_PORT", urlsplit(metrics).port)
            yield f"http://127.0.0.1:{port}"
    finally:
        grpc_server.stop(0).wait()


def tried(uri: str) -> dict[str, str]:
    store: Any = SimpleNamespace(uri=uri, tls=DEFAULT_TLS, logins=LOGINS)
    return {name: by_the_way_around(attempt) for name, attempt in bypasses(store)}


def test_each_way_in_is_seen_on_an_open_milvus_and_none_on_one_with_the_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    with milvus(Server(is_open=True), monkeypatch) as uri:
        verdicts = tried(uri)
    rest = [name for name in verdicts if "on port 9091" in name]
    claim = "nobody, by the claim to be a member of the cluster, listed the users on port 19530 (CVE-2025-64513)"
    assert len(verdicts) == 10
    assert len(rest) == 5
    assert {name for name, verdict in verdicts.items() if verdict == "SUCCEEDED"} == {claim, *rest}
    with milvus(Server(is_open=False), monkeypatch) as uri:
        assert set(tried(uri).values()) == {"denied"}


def test_a_port_that_does_not_answer_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with milvus(Server(is_open=True), monkeypatch) as uri:
        monkeypatch.setattr(isolation, "METRICS_PORT", 1)
        verdicts = tried(uri)
    for name, verdict in verdicts.items():
        assert verdict.startswith("not tried: port 1 of 127.0.0.1 does not answer") is ("9091" in name), (name, verdict)
    assert all(verdict.startswith("not tried: ") for name, verdict in tried("http://127.0.0.1:1").items() if "19530" in name)


def test_port_9091_is_tried_at_the_pod_where_no_service_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with milvus(Server(is_open=True), monkeypatch) as uri:
        store: Any = SimpleNamespace(uri="http://127.0.0.2:1", tls=DEFAULT_TLS, logins=LOGINS)
        verdicts = {name: by_the_way_around(attempt) for name, attempt in bypasses(store, uri)}
    assert {verdict for name, verdict in verdicts.items() if "on port 9091" in name} == {"SUCCEEDED"}


def test_no_password_goes_over_the_port_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(is_open=True)
    with milvus(server, monkeypatch) as uri:
        store: Any = SimpleNamespace(uri=uri.replace("http:", "https:"), tls=DEFAULT_TLS, logins=LOGINS)
        verdicts = {name: by_the_way_around(attempt) for name, attempt in bypasses(store) if "listed the users on port 9091" in name}
    assert server.seen == [""]
    assert [verdict for name, verdict in verdicts.items() if not name.startswith("nobody")] == [
        "not tried: port " + f"{isolation.METRICS_PORT} has no TLS, and would be sent a password in plain text"
    ] * 3


@pytest.mark.parametrize(("accepted", "outcome"), [("", Outcome.FAIL), ("a test on one machine", Outcome.PASS)])
def test_the_run_fails_unless_the_settings_accept_the_known_ways(monkeypatch: pytest.MonkeyPatch, accepted: str, outcome: Outcome) -> None:
    said: list[str] = []
    monkeypatch.setattr(isolation, "attempted", lambda *_: {"the user that searches inserted a row": True})
    with milvus(Server(is_open=True), monkeypatch) as uri:
        store = SimpleNamespace(uri=uri, tls=DEFAULT_TLS, logins=LOGINS)
        target = SimpleNamespace(
            milvus_accepted_bypass=accepted, milvus_database="default", milvus_tenants=(), milvus_search_secret_name="milvus-search"
        )
        run: Any = SimpleNamespace(services=SimpleNamespace(milvus=store, milvus_pod=""), target=target, loaded=None, record=Record())
        run.reporter = SimpleNamespace(say=said.append)
        isolation.isolation(run)
    facts = run.record.checks[0].facts
    monkeypatch.setattr(validity, "faults", lambda *_: [])
    judged = judgement.judge(PROFILE, run.record.measurements)
    assert judged.judged[0].measurement.value == (0 if accepted else 6)
    assert judged.verdict is outcome
    assert len(said) == 6
    assert SECRET not in str((said, facts, run.record))
    assert all(accepted in verdict for verdict in facts["tried"].values() if verdict != "denied")
