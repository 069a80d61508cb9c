"""A proxy between Milvus and its store, in a pod that a drill starts: it passes everything on, until it is told to be slow, fail or hang.

HTTP towards Milvus, the store's own scheme towards the store. Path, query, headers and body are passed on as they are, `Host` too, so that
signatures stay valid.
"""

import asyncio
from typing import Annotated

import typer
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from validation.clients import kube
from validation.clients.http import Access
from validation.experiments.proxies import HttpProxy
from validation.load.pods.generator import STORE_CA

PORT, CONTROL = 9000, "/.drill"  # no bucket has a name that begins with a dot
SLOW_S, FAILING_EVERY = 0.2, 10
FAULTS = ("", "slow", "errors", "hang")
_REFUSED = b"<Error><Code>ServiceUnavailable</Code><Message>planted by a drill</Message></Error>"


class StoreProxy(HttpProxy):
    """Passes on what Milvus asks of its store; `PUT /.drill?fault=NAME` says what becomes of requests from then on."""

    def __init__(self, url: str, access: Access) -> None:
        super().__init__(url, access)
        self._fault, self._met, self._over = "", 0, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request, fault = Request(scope, receive), self._fault
        if request.url.path == CONTROL:
            await self._switch(request.query_params.get("fault", ""))(scope, receive, send)
            return
        self._met += 1
        if fault == "slow":
            await asyncio.sleep(SLOW_S)
        elif fault == "hang":
            await self._over.wait()
        if fault == "hang" or (fault == "errors" and self._met % FAILING_EVERY == 0):
            await Response(_REFUSED, 503, media_type="application/xml")(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def _switch(self, fault: str) -> Response:
        """Begin a fault, or end it with ""; answer how many requests there were since the last one began."""
        if fault not in FAULTS:
            return PlainTextResponse(f"no fault {fault!r}", 400)
        met, self._met, self._fault = self._met, 0, fault
        self._over.set()  # a request that hung is refused now: passed on so late, it could undo what was written since
        self._over = asyncio.Event()
        return PlainTextResponse(str(met))


def command(url: Annotated[str, typer.Argument(help="The store.")]) -> None:
    """Be the proxy between Milvus and its store: `./rag drill store-slow ENV` starts it, by hand there is nothing to do with it."""
    kube.bypass_proxies([url])
    proxy = StoreProxy(url, Access(ca_pem=STORE_CA.read_text(encoding="utf-8") if STORE_CA.exists() else ""))
    uvicorn.run(proxy, host="0.0.0.0", port=PORT, log_level="warning", ws="none", lifespan="off")  # noqa: S104 - a pod of its own
