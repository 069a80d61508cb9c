"""Proxies between the gate and what it measures, on loopback: they pass everything on, until a defect is planted that delays or changes it.

One speaks gRPC and knows what a search is, one HTTP. Both answer as a broken service would: the gate sees nothing but the wire.
"""

import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import uvicorn
from pymilvus.grpc_gen import milvus_pb2, schema_pb2  # type: ignore[import-untyped]  # pymilvus ships no types
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from validation.checks.context import RunContext
from validation.clients import kube
from validation.clients.connect import open_connector
from validation.clients.http import Access, open_async_client
from validation.clients.milvus_connection import Tls
from validation.clients.target import Target
from validation.judge.errors import InvalidRunError

_TIMEOUT_S, _LONGEST_S = 60.0, 600.0
_LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.http2.max_ping_strikes", 0)]
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade"}


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search on its way: which it is since the defect was planted, its filter, which connection brought it, and its vector."""

    number: int
    filter: str
    connection: int
    asked: bytes  # a PlaceholderGroup of Milvus


@dataclass(frozen=True, kw_only=True)
class MilvusDefect:
    """What becomes of calls; by itself nothing."""

    delay_s: Callable[[Search], float] = lambda _: 0.0
    refuses: Callable[[Search], bool] = lambda _: False
    asks: Callable[[Any], None] = lambda _: None  # changes a SearchRequest in place
    answers: Callable[[Search, Any], Any] = lambda _, results: results  # returns the SearchResults that the gate gets
    loses_insert: Callable[[int], bool] = lambda _: False  # whether this insert is acknowledged and not passed on


WHOLE = MilvusDefect()


class MilvusProxy(grpc.GenericRpcHandler):
    """Passes every call on as bytes; only searches and inserts are looked at, and only while a defect is planted."""

    def __init__(self, uri: str, tls: Tls) -> None:
        self._channel, self._counting = tls.channel(uri, *_LIMITS), threading.Lock()
        self.plant(WHOLE)

    def plant(self, defect: MilvusDefect) -> None:
        """Let this become of calls from now on."""
        self._defect, self.searches, self._inserts, self._peers = defect, 0, 0, list[str]()

    def service(self, details: Any) -> Any:  # noqa: ANN401 - as grpc calls it
        """Return what handles one method."""
        watched: dict[str, Any] = {"Search": self._search, "Insert": self._insert}
        handle: Callable[..., bytes] = watched.get(details.method.rpartition("/")[2], lambda request, ask, _: ask(request))
        call: Any = self._channel.unary_unary(details.method)

        def forward(request: bytes, context: Any) -> bytes:  # noqa: ANN401 - as grpc calls it
            metadata = [(key, value) for key, value in details.invocation_metadata if not key.startswith(("grpc-", "user-agent", ":"))]

            def ask(body: bytes) -> bytes:
                answer: bytes = call(body, metadata=tuple(metadata), timeout=min(context.time_remaining(), _LONGEST_S))
                return answer

            try:
                return handle(request, ask, context)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return grpc.unary_unary_rpc_method_handler(forward)

    def _search(self, request: bytes, ask: Callable[[bytes], bytes], context: Any) -> bytes:  # noqa: ANN401
        if self._defect is WHOLE:
            self.searches += 1
            return ask(request)
        asked = milvus_pb2.SearchRequest.FromString(request)
        with self._counting:
            if context.peer() not in self._peers:
                self._peers.append(context.peer())
            connection, group = self._peers.index(context.peer()), asked.placeholder_group
            search = Search(number=self.searches, filter=asked.dsl, connection=connection, asked=group)
            self.searches += 1
        time.sleep(self._defect.delay_s(search))
        if self._defect.refuses(search):
            context.abort(grpc.StatusCode.UNAVAILABLE, "planted by the self-test")
        self._defect.asks(asked)
        results = milvus_pb2.SearchResults.FromString(ask(asked.SerializeToString()))
        answer: bytes = self._defect.answers(search, results).SerializeToString()
        return answer

    def _insert(self, request: bytes, ask: Callable[[bytes], bytes], _context: Any) -> bytes:  # noqa: ANN401
        self._inserts += 1
        if not self._defect.loses_insert(self._inserts):
            return ask(request)
        rows = milvus_pb2.InsertRequest.FromString(request).num_rows
        ids = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=range(rows)))
        lost: bytes = milvus_pb2.MutationResult(insert_cnt=rows, IDs=ids, succ_index=range(rows)).SerializeToString()
        return lost

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port of loopback, and yield the address."""
        with ThreadPoolExecutor(64) as threads:
            server = grpc.server(threads, handlers=[self], options=_LIMITS)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                server.stop(grace=1).wait()
                self._channel.close()


@dataclass(frozen=True)
class Exchange:
    """One request that was answered."""

    number: int  # since the defect was planted
    method: str
    query: str
    body: bytes
    answer: bytes


Change = Callable[[Exchange], bytes | AsyncIterator[bytes]]


class HttpProxy:
    """Passes every request on as it is, signatures included; `change` makes another body of an answer."""

    def __init__(self, url: str, access: Access) -> None:
        self.url, self._access = httpx.URL(url), access
        self.plant(None)

    def plant(self, change: Change | None) -> None:
        """Let this become of answers from now on."""
        self._change, self._requests = change, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body, number, change = await request.body(), self._requests, self._change
        self._requests += 1
        raw_path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [(name, value) for name, value in request.headers.items() if name not in _OF_ONE_HOP]
        async with open_async_client(str(self.url), _TIMEOUT_S, self._access) as client:
            asked = client.build_request(request.method, self.url.copy_with(raw_path=raw_path), headers=headers, content=body)
            answer = await client.send(asked, stream=True)
            kept = {name: value for name, value in answer.headers.items() if name not in _OF_ONE_HOP}
            if change is None or not answer.is_success or request.method == "HEAD":
                await StreamingResponse(answer.aiter_raw(), answer.status_code, kept)(scope, receive, send)
                return
            content = await answer.aread()
        changed = change(Exchange(number, request.method, request.url.query, body, content))
        kept = {name: value for name, value in kept.items() if name not in {"content-length", "content-encoding"}}
        shape = answer.status_code, kept
        response = Response(changed, *shape) if isinstance(changed, bytes) else StreamingResponse(changed, *shape)
        await response(scope, receive, send)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port of loopback, and yield the address, with the path of the original."""
        try:
            listening = socket.create_server(("127.0.0.1", 0))
        except OSError as error:
            raise InvalidRunError(f"a proxy of the self-test did not begin ({error}); has this machine no free port?") from None
        server = uvicorn.Server(uvicorn.Config(self, log_level="critical", ws="none", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise InvalidRunError("a proxy of the self-test did not begin")
                thread.join(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}{self.url.path.rstrip('/')}"
        finally:
            server.should_exit = True
            thread.join(10)
            listening.close()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The proxies, how many searches a load has, and the limits in effect, in ms."""

    milvus: MilvusProxy
    embedding: HttpProxy
    llm: HttpProxy
    documents: HttpProxy
    searches: int
    limit_ms: Callable[[str], float]


def set_up(run: RunContext, searches: int, limit_ms: Callable[[str], float]) -> Stage:
    """Put a proxy before each part of the target, and aim at the proxies from now on."""
    target = run.target
    connector = open_connector(target, run.closing, run.record.secrets)
    kubernetes = connector.kubernetes
    address = kubernetes.address(target.milvus_uri)

    def http(url: str, authority: str) -> HttpProxy:
        trusted = kubernetes.certificate_authority(target.namespace, authority) if authority else ""
        return HttpProxy(kubernetes.address(url), Access(ca_pem=trusted))

    milvus = MilvusProxy(address, connector.milvus_tls(address))
    embedding = http(target.embedding_url, target.embedding_ca_config_map)
    llm = http(target.llm_url, target.llm_ca_config_map)
    documents = http(target.object_store_endpoint, target.object_store_ca_config_map)
    kube.bypass_proxies([address, *(str(proxy.url) for proxy in (embedding, llm, documents))])
    proxies: dict[str, MilvusProxy | HttpProxy] = {"milvus_uri": milvus, "embedding_url": embedding, "llm_url": llm}
    proxies["object_store_endpoint"] = documents
    plain = dict.fromkeys(("milvus_ca_config_map", "embedding_ca_config_map", "llm_ca_config_map", "object_store_ca_config_map"), "")
    served = {name: run.closing.enter_context(proxy.serving()) for name, proxy in proxies.items()}
    run.target = Target.model_validate(target.model_dump() | served | plain)
    return Stage(milvus=milvus, embedding=embedding, llm=llm, documents=documents, searches=searches, limit_ms=limit_ms)
