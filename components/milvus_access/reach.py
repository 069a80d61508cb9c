"""The way from this machine to a Milvus: its address, or `cluster://NAMESPACE.svc.DOMAIN` for one through the API; and a login there.

Pulumi reaches the API of the cluster in any case, a Service's address only where somebody made a route.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import wait_fixed

from components import kube_api
from components.milvus_access.errors import AccessError
from components.milvus_access.forward import forwarded
from components.waiting import until

PATIENCE_S = 60
"""How long a proxy may take to answer, and Milvus to know root: it makes its users at its first start."""
_SCHEME = "cluster"
_PORT = 19530
_TIMEOUT_S = 10
_POD = "app.kubernetes.io/name=milvus,component in (proxy,standalone)"


@dataclass(frozen=True)
class Way:
    """An open way to a Milvus."""

    uri: str
    options: Mapping[str, Any]
    """For pymilvus: authority and name of the certificate where there is TLS."""
    address: str
    """What a message calls it."""

    @contextmanager
    def client(self, username: str, password: str) -> Iterator[MilvusClient]:
        """Log in; MilvusException or RpcError where that fails."""
        with closing(MilvusClient(uri=self.uri, user=username, password=password, timeout=_TIMEOUT_S, **self.options)) as milvus:
            yield milvus

    def accepts(self, username: str, password: str) -> bool:
        """Return whether Milvus lets the user in; AccessError where it does not answer for a minute."""
        last = ""

        def attempt() -> bool | None:
            nonlocal last
            try:
                with self.client(username, password):
                    return True
            except (MilvusException, grpc.RpcError) as error:
                last = str(error)
                return False if _is_refusal(error) else None

        try:
            return until(attempt, timeout_s=PATIENCE_S, wait=wait_fixed(2))
        except TimeoutError:
            raise AccessError(
                f"Milvus at {self.address} does not answer this machine ({last}), so nobody can be let in or kept out, and the published "
                "default password of root may still be valid. Cure: run this where that address is reached, or set <setting> to one that "
                "is, for example http://127.0.0.1:19530 with `kubectl -n NAMESPACE port-forward service/milvus 19530` beside it",
                code="milvus.unreachable",
                setting="administration_uri",
            ) from None


def through_cluster(namespace: str, domain: str) -> str:
    """Return the URI of the Milvus in this namespace of a cluster whose names end in `domain`."""
    return f"{_SCHEME}://{namespace}.svc.{domain}"


@contextmanager
def reached(uri: str, ca_pem: str) -> Iterator[Way]:
    """Open the way to `uri`, until the block ends."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints whole tracebacks, also of what is handled
    _bypass_proxies()
    host = urlsplit(uri).hostname or ""
    with ExitStack() as stack:
        options = {"server_pem_path": stack.enter_context(_as_file(ca_pem))} if ca_pem else {}
        if urlsplit(uri).scheme != _SCHEME:
            yield Way(uri, options, uri)
            return
        namespace = host.partition(".")[0]
        port = stack.enter_context(forwarded(namespace, _ready_pod(namespace), _PORT))
        name = {"server_name": f"milvus.{host}"} if ca_pem else {}
        yield Way(f"http{'s' if ca_pem else ''}://127.0.0.1:{port}", options | name, uri)


def _is_refusal(error: BaseException) -> bool:
    """Whether Milvus answered, and said that it does not know user or password; pymilvus hides that behind a failed connection."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNAUTHENTICATED:
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name


def _ready_pod(namespace: str) -> str:
    with kube_api.core() as api:
        pods = api.list_namespaced_pod(namespace, label_selector=_POD, _request_timeout=_TIMEOUT_S).items
    for pod in pods:
        conditions = (pod.status and pod.status.conditions) or ()
        if pod.metadata is not None and any(each.type == "Ready" and each.status == "True" for each in conditions):
            return str(pod.metadata.name)
    raise AccessError(
        f"no pod of Milvus in the namespace {namespace} is ready. Cure: kubectl -n {namespace} get pods; then `pulumi up` again",
        code="milvus.not_ready",
    )


def _bypass_proxies() -> None:
    """GRPC would ask a company's proxy even for the loopback."""
    for variable in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, "127.0.0.1"]))
