"""The way from this machine to a Milvus: its address, or `cluster://NAMESPACE.svc.DOMAIN` for one through the Kubernetes API.

Pulumi reaches the API of the cluster in any case, a Service's address only where somebody made a route.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from components import kube_api
from components.milvus_access.errors import AccessError
from components.milvus_access.forward import forwarded

_SCHEME = "cluster"
_PORT = 19530
_TIMEOUT_S = 10
_POD = "app.kubernetes.io/name=milvus,component in (proxy,standalone)"


def through_cluster(namespace: str, domain: str) -> str:
    """URI of the Milvus in this namespace of a cluster whose names end in `domain`."""
    return f"{_SCHEME}://{namespace}.svc.{domain}"


@contextmanager
def reached(uri: str, ca_pem: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the URI and the options for pymilvus, with the authority and the name in the certificate where there is TLS."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints whole tracebacks, also of what is handled
    _bypass_proxies()
    host = urlsplit(uri).hostname or ""
    with ExitStack() as stack:
        options = {"server_pem_path": stack.enter_context(_as_file(ca_pem))} if ca_pem else {}
        if urlsplit(uri).scheme != _SCHEME:
            yield uri, options
            return
        namespace = host.partition(".")[0]
        port = stack.enter_context(forwarded(namespace, _ready_pod(namespace), _PORT))
        name = {"server_name": f"milvus.{host}"} if ca_pem else {}
        yield f"http{'s' if ca_pem else ''}://127.0.0.1:{port}", options | name


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
        f"no pod of Milvus in the namespace {namespace} is ready. Cure: kubectl -n {namespace} get pods; then `pulumi up` again"
    )


def _bypass_proxies() -> None:
    """GRPC would ask a company's proxy even for the loopback."""
    for variable in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, "127.0.0.1"]))
