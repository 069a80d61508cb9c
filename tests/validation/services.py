"""Small real servers for the tests: what the gate talks to, over HTTP on loopback, well-behaved until a test says otherwise."""

import base64
import contextlib
import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

DIMENSION = 64


@contextlib.contextmanager
def serving(app: ASGIApp, certificate: Path | None = None) -> Iterator[str]:
    """Serve `app` on a free port of loopback, and yield its address; with `certificate`, a folder with tls.crt and tls.key, over TLS."""
    tls = {"ssl_certfile": certificate / "tls.crt", "ssl_keyfile": str(certificate / "tls.key")} if certificate else {}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none", lifespan="off", **tls)  # type: ignore[arg-type]  # two files
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it began: see its exception above"
        time.sleep(0.005)
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


class Switch:
    """An ASGI application that hands on to another one, so that one server serves all tests of a session, one after the other."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def vector(text: str, dimension: int) -> list[float]:
    """Hash character trigrams into a vector: similar texts get similar vectors, always the same ones."""
    folded = f" {text.casefold()} "
    counts = np.bincount([zlib.crc32(folded[at : at + 3].encode()) % dimension for at in range(len(folded) - 2)], minlength=dimension)
    centred = np.sqrt(counts) - np.sqrt(counts).mean()
    return [float(x) for x in centred / np.linalg.norm(centred)]


@dataclass
class Models:
    """An OpenAI-compatible embedding and chat service; its fields say how it misbehaves."""

    model: str = "tiny"
    dimension: int = DIMENSION
    embeddings: Callable[[dict[str, Any]], Response] | None = None
    chat: Callable[[dict[str, Any]], Response] | None = None
    rerank: Callable[[dict[str, Any]], Response] | None = None
    everything: Callable[[Request], Response | None] | None = None
    """Answers instead of all the others, where it answers at all."""
    entry: dict[str, Any] = field(default_factory=dict)
    """Further fields of the model's entry in the list."""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> ASGIApp:
        routed = Starlette(
            routes=[
                Route("/v1/models", self._list),
                Route("/v1/rerank", self._rerank, methods=["POST"]),
                Route("/v1/embeddings", self._embed, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

        async def first(scope: Scope, receive: Receive, send: Send) -> None:
            answer = self.everything(Request(scope)) if self.everything else None
            await (answer or routed)(scope, receive, send)

        return first

    async def _list(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": self.model, "object": "model", **self.entry}]})

    async def _rerank(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        if self.rerank:
            return self.rerank(body)
        wanted = vector(body["query"], self.dimension)
        scores = [float(np.dot(wanted, vector(text, self.dimension))) for text in body["texts"]]
        return JSONResponse([{"index": at, "score": score} for at, score in enumerate(scores)])

    async def _embed(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        if self.embeddings:
            return self.embeddings(body)
        data = [{"index": at, "embedding": vector(text, self.dimension)} for at, text in enumerate(body["input"])]
        return JSONResponse({"object": "list", "model": self.model, "data": data[::-1]})

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        return self.chat(body) if self.chat else stream(read(body["messages"][1]["content"]))


def read(content: str) -> str:
    """Answer with the line of the sources that shares most words with the question, and cite it."""
    sources, _, question = content.rpartition("Question: ")
    wanted = set(re.findall(r"\w{3,}", question.casefold()))
    best, answer, number = -1, "The sources do not say.", 0
    for block in sources.split("\n\n"):
        if found := re.match(r"\[(\d+)\]", block):
            number = int(found[1])
        for line in re.split(r"(?<=[.!?]) |\n", block)[1:]:
            score = len(wanted & set(re.findall(r"\w{3,}", line.casefold())))
            if score > best:
                best, answer = score, f"{line} [{number}]"
    return answer


def stream(text: str) -> Response:
    """Stream `text` word by word as server-sent events."""
    pieces = ["", *re.findall(r"\S+\s*", text)]
    events = [json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces]
    return StreamingResponse(iter([f"data: {event}\n\n" for event in [*events, "[DONE]"]]), media_type="text/event-stream")


@dataclass
class Bucket:
    """As much of S3 as the gate uses, in memory; every put is a version, numbered from 1, unless it keeps none."""

    name: str = "documents"
    versioned: bool = True
    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    corrupt: bool = False

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{bucket}", self._head, methods=["HEAD"]),
                Route("/{bucket}", self._list, methods=["GET"]),
                Route("/{bucket}/{key:path}", self._get, methods=["GET"]),
                Route("/{bucket}/{key:path}", self._put, methods=["PUT"]),
            ]
        )

    async def _head(self, request: Request) -> Response:
        return Response(status_code=200 if request.path_params["bucket"] == self.name else 404)

    async def _list(self, _request: Request) -> Response:
        entries = "".join(f"<Contents><Key>{key}</Key><Size>{len(body)}</Size></Contents>" for key, body in self.objects.items())
        return Response(f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>", media_type="application/xml")

    async def _get(self, request: Request) -> Response:
        key, version = request.path_params["key"], request.query_params.get("versionId")
        body = self.objects.get(key) if version is None else self.versions.get((key, version))
        if body is None:
            code = "NoSuchKey" if version is None else "NoSuchVersion"
            return Response(f"<Error><Code>{code}</Code><Message>none</Message></Error>", 404, media_type="application/xml")
        return Response(body, headers=self._version_header(version or self._latest(key)))

    async def _put(self, request: Request) -> Response:
        body = unchunked(await request.body(), request.headers.get("content-encoding", ""))
        key = request.path_params["key"]
        self.puts.append(key)
        self.objects[key] = body[:-1] if self.corrupt else body
        self.versions[key, self._latest(key)] = self.objects[key]
        return Response(headers={"ETag": '"x"', **self._version_header(self._latest(key))})

    def _latest(self, key: str) -> str:
        return str(self.puts.count(key))

    def _version_header(self, version: str) -> dict[str, str]:
        return {"x-amz-version-id": version} if self.versioned else {}


def unchunked(body: bytes, encoding: str) -> bytes:
    """Take the payload out of an aws-chunked body."""
    if "aws-chunked" not in encoding:
        return body
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        out, body = out + rest[:length], rest[length + 2 :]
    return out


@dataclass
class KubernetesApi:
    """As much of the Kubernetes API as the gate reads."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path below /api/v1/namespaces/rag/."""
    logs: dict[str, str] = field(default_factory=dict)
    """By the name of the pod; `NAME previous` for the run before."""

    def app(self) -> Starlette:
        core = Route("/api/v1/namespaces/rag/{path:path}", self._get, methods=["GET", "DELETE"])
        return Starlette(routes=[core, Route("/apis/{path:path}", self._nothing, methods=["GET", "DELETE"])])

    async def _nothing(self, request: Request) -> Response:
        """Answer for the other groups, of which there is no object."""
        if request.method == "DELETE":
            return JSONResponse({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)
        return JSONResponse({"items": []})

    async def _get(self, request: Request) -> Response:
        kind, _, rest = request.path_params["path"].partition("/")
        if kind == "pods" and rest.endswith("/log"):
            name = rest.removesuffix("/log") + (" previous" if request.query_params.get("previous") == "true" else "")
            return PlainTextResponse(self.logs.get(name, ""))
        found = self.objects.get(request.path_params["path"])
        return JSONResponse(found or {"kind": "Status", "code": 404, "reason": "NotFound"}, 200 if found else 404)

    def add_secret(self, name: str, **values: str) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.objects[f"secrets/{name}"] = {"metadata": {"name": name}, "data": data}

    def add_service(self, name: str, address: str) -> None:
        self.objects[f"services/{name}"] = {"metadata": {"name": name}, "spec": {"clusterIP": address}}

    def add_pod(self, name: str, image: str, digest: str) -> None:
        status = {"name": "main", "image": image, "imageID": digest, "ready": True, "restartCount": 0}
        pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "main"}], "restartPolicy": "Always"}}
        self.objects["pods"] = {"items": [pod | {"status": {"containerStatuses": [status]}}]}


def kubeconfig(server: str) -> str:
    """Return a kubeconfig that points at `server`."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": server}}],
            "users": [{"name": "test", "user": {}}],
        }
    )
