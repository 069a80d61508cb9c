"""Who may say that it is Milvus: the authority of its certificate, and the name in it.

The handshake is tried once with Python's own TLS before pymilvus is asked, since gRPC says no more than that nobody answers, whether the
authority is another one, the certificate is over, or nobody is there.
"""

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi

from validation.clients.http import CONNECT_TIMEOUT_S
from validation.judge.errors import UnreachableError, UsageError

_PORT = 19530
_GRPC_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """What a client of an https:// address checks; nothing for an http:// one."""

    ca_file: Path | None = None
    """PEM file of the one authority that is trusted; None for the public ones, as gRPC has them."""
    server_name: str = ""
    """Name in the certificate; "" where it is the host of the address."""
    origin: str = ""
    """Where the authority was read from, for messages."""

    def options(self) -> dict[str, Any]:
        """As pymilvus takes them."""
        authority = {"server_pem_path": str(self.ca_file)} if self.ca_file else {}
        return authority | ({"server_name": self.server_name} if self.server_name else {})

    def _roots(self) -> str:
        return str(self.ca_file) if self.ca_file else os.environ.get(_GRPC_ROOTS) or certifi.where()


DEFAULT = Tls()


def with_port(uri: str) -> str:
    """Return the address with Milvus's port where it names none."""
    return uri if urlsplit(uri).port else f"{uri.rstrip('/')}:{_PORT}"


def check(uri: str, tls: Tls) -> None:
    """Open the address, and shake hands where it is an https:// one; OSError where nobody answers, UnreachableError without trust."""
    parts = urlsplit(uri)
    with socket.create_connection((parts.hostname or "", parts.port or _PORT), timeout=CONNECT_TIMEOUT_S) as opened:
        if parts.scheme == "https":
            _shake_hands(opened, uri, tls)


def _shake_hands(opened: socket.socket, uri: str, tls: Tls) -> None:
    name = tls.server_name or urlsplit(uri).hostname or ""
    own = context(tls)
    try:
        own.wrap_socket(opened, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(f"Milvus at {uri} is not trusted: {error.verify_message}; {_cure(error, tls, name)}") from error
    except ssl.SSLError as error:
        raise UnreachableError(
            f"Milvus at {uri} does not speak TLS ({error.reason or error}); should its address begin with http://?"
        ) from error


def context(tls: Tls) -> ssl.SSLContext:
    """Return what a gRPC client checks; UsageError where the authority's file holds none."""
    try:
        made = ssl.create_default_context(cafile=tls._roots())  # noqa: SLF001 - the same module
    except (OSError, ssl.SSLError) as error:
        where = tls.origin or tls._roots()  # noqa: SLF001
        raise UsageError(
            f"{where} holds no usable certificate ({error}); name the PEM file in milvus.tls.ca_file, then: pulumi up"
        ) from error
    made.set_alpn_protocols(["h2"])  # gRPC servers close a connection that does not ask for it
    return made


_EXPIRED, _MISMATCH = 10, (62, 64)
"""X509_V_ERR_CERT_HAS_EXPIRED; ..._HOSTNAME_MISMATCH and ..._IP_ADDRESS_MISMATCH, as OpenSSL numbers them."""


def _cure(error: ssl.SSLCertVerificationError, tls: Tls, name: str) -> str:
    if error.verify_code == _EXPIRED:
        return "renew the certificate in the Secret of milvus.tls.proxy_secret, and restart Milvus, which reads it at its start"
    if error.verify_code in _MISMATCH:
        return f"its certificate must name {name}: make it anew with that name"
    trusted = f"trusted is the authority in {tls.origin}" if tls.origin else "trusted are the public authorities alone"
    return f"{trusted}; put that of its certificate (ca.crt of the Secret) into the file of milvus.tls.ca_file, then: pulumi up"
