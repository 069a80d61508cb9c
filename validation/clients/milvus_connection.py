"""How Milvus is reached: the authority and the name of its certificate, and one user to read, one to write, one to clean up.

The handshake is tried once with Python's own TLS before pymilvus is asked, since gRPC says no more than that nobody answers, whether the
authority is another one, the certificate is over, or nobody is there. A password is read from its Secret when it is needed, and once more
when it is refused: it may have been changed in between. Where authentication is disabled there is no user.
"""

import logging
import os
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import grpc
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from pymilvus.client.call_context import CallContext  # type: ignore[import-untyped]
from pymilvus.client.grpc_handler import GrpcHandler  # type: ignore[import-untyped]

from validation.clients.http import CONNECT_TIMEOUT_S
from validation.clients.login import Logins, ReadLogin
from validation.judge.errors import UnreachableError, UsageError

_PORT = 19530

_COME_BACK = {"grpc.initial_reconnect_backoff_ms": 200, "grpc.min_reconnect_backoff_ms": 5_000, "grpc.max_reconnect_backoff_ms": 2_000}
"""gRPC waits ever longer between attempts, up to two minutes, for all channels of a process: Milvus would be back and its clients away."""
_EXPIRED, _MISMATCH = 10, (62, 64)
"""X509_V_ERR_CERT_HAS_EXPIRED; ..._HOSTNAME_MISMATCH and ..._IP_ADDRESS_MISMATCH, as OpenSSL numbers them."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """What a client of an https:// address checks; nothing for an http:// one."""

    ca_file: Path | None = None  # PEM file of the one authority that is trusted; None for the public ones, as gRPC has them
    server_name: str = ""  # name in the certificate; "" where it is the host of the address
    origin: str = ""  # where the authority was read from, for messages

    def options(self) -> dict[str, Any]:
        """Return it as pymilvus takes it."""
        authority = {"server_pem_path": str(self.ca_file)} if self.ca_file else {}
        return authority | ({"server_name": self.server_name} if self.server_name else {})

    def ssl_context(self) -> ssl.SSLContext:
        """Return what a gRPC client checks; UsageError where the authority's file holds none."""
        roots = str(self.ca_file) if self.ca_file else os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") or certifi.where()
        try:
            context = ssl.create_default_context(cafile=roots)
        except (OSError, ssl.SSLError) as error:
            raise UsageError.of("milvus.no_certificate", where=self.origin or roots, error=error) from error
        context.set_alpn_protocols(["h2"])  # gRPC servers close a connection that does not ask for it
        return context

    def channel(self, uri: str, *options: tuple[str, Any]) -> grpc.Channel:
        """Return a channel to the address."""
        address, named = urlsplit(with_port(uri)).netloc, [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []
        if not uri.startswith("https://"):
            return grpc.insecure_channel(address, options)
        trusted = grpc.ssl_channel_credentials(self.ca_file.read_bytes() if self.ca_file else None)
        return grpc.secure_channel(address, trusted, [*options, *named])


DEFAULT_TLS = Tls()


def with_port(uri: str) -> str:
    """Return the address with Milvus's port where it names none."""
    return uri if urlsplit(uri).port else f"{uri.rstrip('/')}:{_PORT}"


def check_address(uri: str, tls: Tls) -> None:
    """Open the address, and shake hands where it is an https:// one; OSError where nobody answers, UnreachableError without trust."""
    parts = urlsplit(uri)
    with socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout=CONNECT_TIMEOUT_S) as connection:
        if parts.scheme != "https":
            return
        name, context = tls.server_name or parts.hostname or "", tls.ssl_context()
        try:
            context.wrap_socket(connection, server_hostname=name).close()
        except ssl.SSLCertVerificationError as error:
            cure = f"trusted is the authority in {tls.origin}" if tls.origin else "trusted are the public authorities alone"
            cure += "; put that of its certificate (ca.crt of the Secret) into the file of milvus.tls.ca_file, then: pulumi up"
            if error.verify_code == _EXPIRED:
                cure = "renew the certificate in the Secret of milvus.tls.proxy_secret, and restart Milvus, which reads it at its start"
            elif error.verify_code in _MISMATCH:
                cure = f"its certificate must name {name}: make it anew with that name"
            raise UnreachableError(f"Milvus at {uri} is not trusted: {error.verify_message}; {cure}") from error
        except ssl.SSLError as error:
            reason = error.reason or error
            raise UnreachableError(f"Milvus at {uri} does not speak TLS ({reason}); should its address begin with http://?") from error


@dataclass(frozen=True, kw_only=True)
class Clients:
    """One connection for each login; all three clients are the same where authentication is disabled."""

    search: MilvusClient
    ingest: MilvusClient
    admin: MilvusClient
    writer: GrpcHandler  # what MilvusClient sends through, as the user of `ingest`: it takes requests that are made already
    context: CallContext  # names the database to `writer`

    def close(self) -> None:
        """Close all connections."""
        for client in {id(each): each for each in (self.search, self.ingest, self.admin, self.writer)}.values():
            client.close()


def open_clients(uri: str, database: str, logins: Logins, tls: Tls = DEFAULT_TLS) -> Clients:
    """Connect with each login; MilvusException where one is refused."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints whole tracebacks, also of what is told in one line here
    search = ingest = admin = log_in(uri, database, logins.search, tls)
    if logins != Logins():
        ingest, admin = (log_in(uri, database, login, tls) for login in (logins.ingest, logins.admin))
    secure: dict[str, Any] = {"secure": uri.startswith("https://"), "grpc_options": _COME_BACK}
    writer = GrpcHandler(uri=with_port(uri), **secure, **logins.ingest().options(), **tls.options())
    writer.reconnect(timeout=CONNECT_TIMEOUT_S)  # names itself to Milvus, as each MilvusClient does
    return Clients(search=search, ingest=ingest, admin=admin, writer=writer, context=CallContext(db_name=database))


def log_in(uri: str, database: str, read_login: ReadLogin, tls: Tls = DEFAULT_TLS) -> MilvusClient:
    """Connect with the password of the Secret, and once more with what is there a moment later."""
    options = {"uri": uri, "db_name": database, "timeout": CONNECT_TIMEOUT_S, "grpc_options": _COME_BACK, **tls.options()}
    login = read_login()
    try:
        return MilvusClient(**options, **login.options())
    except MilvusException:
        if not login.user:
            raise
        time.sleep(2)
        return MilvusClient(**options, **read_login().options())
