"""The way from this machine to a Milvus: its address, or `cluster://NAMESPACE.svc.DOMAIN` for one through the API; and a login there.

Pulumi reaches the API of the cluster in any case, a Service's address only where somebody made a route. So the second way, a port of the
loopback as `kubectl port-forward` makes one, works with a plain `pulumi up`. Good for administration; nothing is measured through it.

No password is in a message.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import grpc
from kubernetes import client
from kubernetes.stream import portforward
from tenacity import wait_fixed

from components import kube_api
from components.dynamic_provider import ProviderError, as_file
from components.waiting import until

if TYPE_CHECKING:
    from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
else:
    MilvusClient = Any  # imported where it is used, since that takes a second

__all__ = ["MilvusClient"]  # for whoever is given a client
PATIENCE_S = 60  # how long a proxy may take to answer, and Milvus to know root: it makes its users at its first start
_SCHEME = "cluster"
_PORT = 19530
_TIMEOUT_S = 10
_POD = "app.kubernetes.io/name=milvus,component in (proxy,standalone)"
_PIECE_BYTES = 1 << 16
_MOST_THREADS = 256  # two for each connection; they are made when needed
_CLOSING_S = 5  # websocket-client itself waits 3 s for the other side's goodbye


class AccessError(ProviderError):
    """Milvus cannot be administered as declared."""


@contextmanager
def explained(place: str, action: str) -> Iterator[None]:
    """Turn a foreseen failure of `action`, of pymilvus, gRPC or the Kubernetes client, into an AccessError."""
    from pymilvus import MilvusException

    code = "milvus.refused"
    try:
        yield
    except MilvusException as error:
        detail = error.message
    except grpc.RpcError as error:
        detail = error.details() if isinstance(error, grpc.Call) else str(error)
    except client.ApiException as error:
        code, detail = "cluster.refused", f"the Kubernetes API answers {error.status} ({error.reason})"
    except OSError as error:
        code, detail = "cluster.unreachable", f"{error}. Cure: does `kubectl get namespaces` work in this shell?"
    else:
        return
    raise AccessError(f"{place}: cannot {action}: {detail}", code=code) from None


@dataclass(frozen=True)
class Way:
    """An open way to a Milvus."""

    uri: str
    options: Mapping[str, Any]  # for pymilvus: authority and name of the certificate where there is TLS
    address: str  # what a message calls it

    @contextmanager
    def client(self, username: str, password: str) -> Iterator[MilvusClient]:
        """Log in; MilvusException or RpcError where that fails."""
        from pymilvus import MilvusClient as Client

        with closing(Client(uri=self.uri, user=username, password=password, timeout=_TIMEOUT_S, **self.options)) as milvus:
            yield milvus

    def accepts(self, username: str, password: str) -> bool:
        """Return whether Milvus lets the user in; AccessError where it does not answer for a minute."""
        from pymilvus import MilvusException

        last = ""

        def attempt() -> bool | None:
            nonlocal last
            try:
                with self.client(username, password):
                    return True
            except (MilvusException, grpc.RpcError) as error:
                last = str(error)
                return False if _is_refusal(error) else None

        def late() -> AccessError:
            return AccessError.by_code("milvus.unreachable", address=self.address, last=last)

        return until(attempt, timeout_s=PATIENCE_S, wait=wait_fixed(2), late=late)


def through_cluster(namespace: str, domain: str) -> str:
    """Return the URI of the Milvus in this namespace of a cluster whose names end in `domain`."""
    return f"{_SCHEME}://{namespace}.svc.{domain}"


@contextmanager
def reached(uri: str, ca_pem: str) -> Iterator[Way]:
    """Open the way to `uri`, until the block ends."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints whole tracebacks, also of what is handled
    for variable in ("no_proxy", "NO_PROXY"):  # gRPC would ask a company's proxy even for the loopback
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, "127.0.0.1"]))
    host = urlsplit(uri).hostname or ""
    with ExitStack() as stack:
        options = {"server_pem_path": stack.enter_context(as_file(ca_pem))} if ca_pem else {}
        if urlsplit(uri).scheme != _SCHEME:
            yield Way(uri, options, uri)
            return
        namespace = host.partition(".")[0]
        port = stack.enter_context(_forwarded(namespace, _ready_pod(namespace), _PORT))
        name = {"server_name": f"milvus.{host}"} if ca_pem else {}
        yield Way(f"http{'s' if ca_pem else ''}://127.0.0.1:{port}", options | name, uri)


def _is_refusal(error: BaseException) -> bool:
    """Whether Milvus answered, and said that it does not know user or password; pymilvus hides that behind a failed connection."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    return any(isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNAUTHENTICATED for cause in causes)


def _ready_pod(namespace: str) -> str:
    with kube_api.core() as api:
        pods = api.list_namespaced_pod(namespace, label_selector=_POD, _request_timeout=_TIMEOUT_S).items
    for pod in pods:
        conditions = (pod.status and pod.status.conditions) or ()
        if pod.metadata is not None and any(each.type == "Ready" and each.status == "True" for each in conditions):
            return str(pod.metadata.name)
    raise AccessError.by_code("milvus.not_ready", namespace=namespace)


@contextmanager
def _forwarded(namespace: str, pod: str, port: int) -> Iterator[int]:
    """Yield a port of the loopback that leads to `port` of the pod.

    When the block ends, so do its connections and threads, whether or not the one who used it closed his side: gRPC keeps a channel open
    for a while.
    """
    opened: list[socket.socket] = []

    def carry(here: socket.socket) -> None:
        """Both directions, to the end; where the cluster refuses the caller sees a closed connection, and tries again or says so."""
        with closing(here), suppress(client.ApiException, OSError), _tunnel(namespace, pod, port) as there:
            back = threads.submit(_pump, there, here, socket.SHUT_RDWR)
            # half of it, for what the pod still says has to find a reader until the library closes its own end
            _pump(here, there, socket.SHUT_WR)
            back.result()

    def serve() -> None:
        with suppress(OSError):  # the listener is shut
            while True:
                opened.append(listener.accept()[0])
                threads.submit(carry, opened[-1])

    with ThreadPoolExecutor(_MOST_THREADS) as threads, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        serving = threads.submit(serve)
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which a mere close does not
            serving.result()
            for here in opened:
                _shut(here, socket.SHUT_RDWR)


@contextmanager
def _tunnel(namespace: str, pod: str, port: int) -> Iterator[Any]:
    kube_api.load()
    with client.ApiClient() as api:
        tunnel = portforward(client.CoreV1Api(api).connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
        there = tunnel.socket(port)
        there.setblocking(True)
        try:
            yield there
        finally:
            there.close()
            with suppress(TimeoutError):  # until the library's thread has closed the connection to the cluster
                until(lambda: True if tunnel.websocket.sock is None else None, timeout_s=_CLOSING_S, wait=wait_fixed(0.01))
            tunnel.websocket.shutdown()


def _pump(source: Any, target: Any, how: int) -> None:  # noqa: ANN401  the library's own kind of socket
    """Copy until `source` ends, then let the other side know."""
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    _shut(target, how)


def _shut(end: Any, how: int) -> None:  # noqa: ANN401  as above
    with suppress(OSError):  # closed already
        end.shutdown(how)
