"""A way to a port of a pod through the Kubernetes API, as `kubectl port-forward` makes one: a local port while the block runs.

Pulumi reaches the API of the cluster in any case, and a Service's address only where somebody made a route; so this works with a plain
`pulumi up`. Good for administration; nothing is measured through it.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from kubernetes import client
from kubernetes.stream import portforward

from components import kube_api

_PIECE_BYTES = 1 << 16


@contextmanager
def forwarded(namespace: str, pod: str, port: int) -> Iterator[int]:
    """Yield a port of the loopback that leads to `port` of the pod."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_serve, args=(listener, namespace, pod, port), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, namespace: str, pod: str, port: int) -> None:
    """Until the listener is closed."""
    with suppress(OSError):
        while True:
            here, _ = listener.accept()
            try:
                there = _opened(namespace, pod, port)
            except client.ApiException:  # the caller sees a closed connection, and tries again or says so
                here.close()
                continue
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _opened(namespace: str, pod: str, port: int) -> Any:  # noqa: ANN401  the library's own kind of socket
    kube_api.load()
    api = client.CoreV1Api()
    tunnel = portforward(api.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
    there = tunnel.socket(port)
    there.setblocking(True)
    return there


def _pump(source: Any, target: Any) -> None:  # noqa: ANN401  as above
    """Copy until one side closes, then let the other side know."""
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for this end; a mere close does not, and the tunnel would stay open
        with suppress(OSError):
            end.close()
