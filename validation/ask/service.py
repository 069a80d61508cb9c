"""`./rag serve`: answers with their sources behind the OpenAI API, and on a page.

    /v1/chat/completions  /v1/models  /v1/search  /v1/passages/ID    with a key; a tenant's key sees its database alone
    /health  /metrics  /  /ask.css  /ask.js                           without

The same clients as the gate's: what is measured is what is served. Milvus is not waited for: each part that is away is named in the answer.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from validation.ask.answering import Answering, ChatRequest, Completion, RefusedError, SearchRequest, bypass_proxies, listed
from validation.ask.doors import Front, Keys, Metrics, Rate, failure
from validation.ask.retrieval import NoCollectionError, Stages
from validation.clients import target
from validation.clients.connect import open_connector
from validation.clients.http import BusyError
from validation.judge.errors import GateError, UnreachableError
from validation.run.options import MountedFolder, Target

_FILES = {"/": ("index.html", "text/html"), "/ask.css": ("ask.css", "text/css"), "/ask.js": ("ask.js", "text/javascript")}
_PAGE = {path: Response((Path(__file__).parent / "page" / name).read_bytes(), media_type=kind) for path, (name, kind) in _FILES.items()}
_UNCHANGING: dict[str, Response] = {"/health": JSONResponse({"status": "ok"}), "/favicon.ico": Response(status_code=204), **_PAGE}
_NOTHING = "No passage fits these filters."
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `serve`."""

    stack: Target
    keys: Annotated[Path | None, typer.Option(help="Folder with DATABASE/api_key.")] = None
    mounted: MountedFolder = None
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen at.")] = 8080
    rate: Annotated[float, typer.Option(min=0.1, help="Requests a second that one key may send for long.")] = 20
    burst: Annotated[int, typer.Option(min=1, help="Requests that one key may send at once.")] = 100
    at_once: Annotated[int, typer.Option(min=1, help="Requests of all keys that are under way.")] = 64


def act(options: Options) -> int:
    """Serve until interrupted, and return the exit code."""
    with ExitStack() as closing:
        aim = target.read(options.stack)
        connector = open_connector(aim, closing, [], mounted=options.mounted)
        bypass_proxies(connector)
        own = os.environ.get("ASK_API_KEY", "")
        keys = Keys(options.keys, {aim.milvus_database: own} if own else {})
        tenants = {name: f"milvus-{name}-search" for name in keys.databases() - {aim.milvus_database}}
        app = build(Answering(connector, tenants), keys, Rate(options.rate, options.burst), options.at_once)
        print(f"asking: http://{options.host}:{options.port}/ (Ctrl-C ends it)", flush=True)
        quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "ws": "none", "lifespan": "off"}
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, host=options.host, port=options.port, **quiet)).run()
    return 0


def build(answering: Answering, keys: Keys, rate: Rate, at_once: int) -> ASGIApp:
    """Return the application."""
    metrics = Metrics()
    service = Service(answering, keys, rate, metrics)
    routes = [
        Route("/v1/chat/completions", service.chat, methods=["POST"]),
        Route("/v1/search", service.search, methods=["POST"]),
        Route("/v1/models", service.models),
        Route("/v1/passages/{id:int}", service.passage),
        Route("/metrics", service.metrics),
        *(Route(path, answer, methods=["GET"]) for path, answer in _UNCHANGING.items()),
    ]
    # starlette types handlers by the widest exception
    refusals: Any = {RefusedError: lambda _, error: failure(error.status, error.code, str(error), error.wait_s), GateError: _failed}
    return Front(Starlette(routes=routes, exception_handlers=refusals), metrics, at_once)


class Service:
    """What answers requests."""

    def __init__(self, answering: Answering, keys: Keys, rate: Rate, metrics: Metrics) -> None:
        self._answering, self._keys, self._rate, self._metrics = answering, keys, rate, metrics

    async def chat(self, request: Request) -> Response:
        """Answer the last message of the user, in one piece or as it comes."""
        database, asked = self._admitted(request), _parsed(ChatRequest, await request.body())
        query, stages = asked.to_query(asked.question, asked.model, database), Stages()
        passages = await run_in_threadpool(self._answering.retriever.search, query, stages)
        completion = Completion(model=asked.model, passages=passages, stages=stages)
        if asked.stream:
            return StreamingResponse(self._events(asked, completion), media_type="text/event-stream")
        async with aclosing(self._pieces(asked, completion)) as pieces:
            async for _ in pieces:
                pass
        return JSONResponse(completion.whole(completion.sources() if asked.sources_in_text else ""))

    async def search(self, request: Request) -> Response:
        """Return the passages alone."""
        database, asked, stages = self._admitted(request), _parsed(SearchRequest, await request.body()), Stages()
        query = asked.to_query(asked.query, asked.collection, database)
        passages = await run_in_threadpool(self._answering.retriever.search, query, stages)
        self._count(stages)
        return JSONResponse({"object": "list", "data": listed(passages), "stages_ms": stages.ms})

    async def models(self, request: Request) -> Response:
        """Return the collections of the key's database."""
        database = self._admitted(request)
        names = await run_in_threadpool(self._answering.retriever.collections, database)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": database} for name in names]
        return JSONResponse({"object": "list", "data": models})

    async def passage(self, request: Request) -> Response:
        """Return a passage within its document, and a checked link to the original."""
        database, collection = self._admitted(request), request.query_params.get("collection", "")
        position, chunks = await run_in_threadpool(self._answering.retriever.document, database, collection, int(request.path_params["id"]))
        itself = next(chunk for chunk in chunks if chunk.position == position)
        link, problem = await run_in_threadpool(self._answering.link, itself)
        parts = [{name: getattr(chunk, name) for name in ("position", "section", "page", "time_code", "text")} for chunk in chunks]
        document = {name: getattr(itself, name) for name in ("title", "source", "language", "sha256", "siblings")}
        return JSONResponse({**document, "position": position, "chunks": parts, "link": link, "problem": problem})

    async def metrics(self, _request: Request) -> Response:
        """Return the counters."""
        return PlainTextResponse(self._metrics.text(), media_type="text/plain; version=0.0.4")

    def _admitted(self, request: Request) -> str:
        database = self._keys.database(request)
        self._rate.take(database)
        return database

    async def _pieces(self, asked: ChatRequest, completion: Completion) -> Any:  # noqa: ANN401 - an async generator of text
        """Yield the text of an answer; then the completion knows what it cites."""
        if not completion.passages:
            completion.text = _NOTHING
            yield _NOTHING
            return
        async with aclosing(self._answering.answer(asked.question, completion.passages, completion.stages)) as pieces:
            async for piece in pieces:
                completion.text += piece
                yield piece
        cited = await run_in_threadpool(self._answering.cited, completion.text, completion.passages, completion.stages)
        completion.cited, completion.uncited = cited
        self._count(completion.stages)

    async def _events(self, asked: ChatRequest, completion: Completion) -> AsyncIterator[str]:
        yield _event(completion.first())
        try:
            async with aclosing(self._pieces(asked, completion)) as pieces:
                async for piece in pieces:
                    yield _event(completion.event({"content": piece}))
            if asked.sources_in_text and (sources := completion.sources()):
                yield _event(completion.event({"content": sources}))
            yield _event(completion.last())
        except GateError as error:
            yield _event(json.loads(bytes(_failed(None, error).body)))
        yield "data: [DONE]\n\n"

    def _count(self, stages: Stages) -> None:
        for name, ms in stages.ms.items():
            self._metrics.add("stage_seconds_total", ms / 1e3, stage=name)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _parsed(kind: type[Body], body: bytes) -> Body:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RefusedError(400, "ask.body", f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from None


def _failed(_request: Request | None, error: GateError) -> Response:
    """What was asked cannot be (404, 409), a part is away (503), or answered wrongly (502)."""
    code = getattr(error, "code", "")
    if isinstance(error, UnreachableError | BusyError):
        return failure(503, code or "ask.unreachable", str(error), wait_s=5)
    if code.startswith("ask."):
        return failure(404 if isinstance(error, NoCollectionError) else 409, code, str(error))
    return failure(502, code or "ask.failed", str(error))
