"""A way to a port of a pod through the Kubernetes API, as `kubectl port-forward` makes one: a local port while the block runs.

Pulumi reaches the API of the cluster in any case, and a Service's address only where somebody made a route; so this works with a plain
`pulumi up`. Good for administration; nothing is measured through it. When the block ends, so do its connections and threads, whether or
not the one who used it closed his side: gRPC keeps a channel open for a while.
"""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

from kubernetes import client
from kubernetes.stream import portforward
from kubernetes.stream.ws_client import PortForward
from tenacity import wait_fixed

from components import kube_api
from components.waiting import until

_PIECE_BYTES = 1 << 16
_MOST_THREADS = 256  # two for each connection; they are made when needed
_CLOSING_S = 5  # websocket-client itself waits 3 s for the other side's goodbye


@contextmanager
def forwarded(namespace: str, pod: str, port: int) -> Iterator[int]:
    """Yield a port of the loopback that leads to `port` of the pod."""
    opened: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):  # the listener is shut
            while True:
                opened.append(listener.accept()[0])
                threads.submit(_carry, opened[-1], namespace, pod, port, threads)

    with ThreadPoolExecutor(_MOST_THREADS) as threads, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        serving = threads.submit(serve)
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which a mere close does not
            serving.result()
            for here in opened:
                _shut(here, socket.SHUT_RDWR)


def _carry(here: socket.socket, namespace: str, pod: str, port: int, threads: ThreadPoolExecutor) -> None:
    """Both directions of one connection, to its end; where the cluster refuses the caller sees a closed one, and tries again or says so."""
    with closing(here), suppress(client.ApiException, OSError), _tunnel(namespace, pod, port) as there:
        back = threads.submit(_pump, there, here, socket.SHUT_RDWR)
        # half of it, for what the pod still says has to find a reader until the library closes its own end
        _pump(here, there, socket.SHUT_WR)
        back.result()


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
            _await_end(tunnel)


def _await_end(tunnel: PortForward) -> None:
    """Wait until the library's thread has closed the connection to the cluster; close it where it did not."""
    with suppress(TimeoutError):
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
