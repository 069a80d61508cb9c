"""Who the gate is to Milvus: one user to read, one to write, one to clean up, or nobody where Milvus asks nobody.

A password is read from its Secret when it is needed, and once more when it is refused: it may have been changed in between.
"""

import logging
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.clients import milvus_tls
from validation.clients.http import CONNECT_TIMEOUT_S
from validation.clients.milvus_tls import Tls

_AGAIN_AFTER_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user and its password; neither where Milvus asks nobody."""

    user: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """As pymilvus takes them."""
        return {"user": self.user, "password": self.password} if self.user else {}

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """As a gRPC call carries them (Milvus reads base64 of USER:PASSWORD)."""
        return (("authorization", b64encode(f"{self.user}:{self.password}".encode()).decode()),) if self.user else ()


Ask = Callable[[], Login]
"""Reads a Secret as it is now."""


def nobody() -> Login:
    """Stand for no user at all."""
    return Login()


@dataclass(frozen=True, kw_only=True)
class Logins:
    """One for each thing that the gate does."""

    search: Ask = nobody
    ingest: Ask = nobody
    admin: Ask = nobody


@dataclass(frozen=True, kw_only=True)
class Clients:
    """One connection for each of them; all three are the same where Milvus asks nobody."""

    search: MilvusClient
    ingest: MilvusClient
    admin: MilvusClient

    def close(self) -> None:
        """Close all connections."""
        for client in {id(each): each for each in (self.search, self.ingest, self.admin)}.values():
            client.close()


def connect(uri: str, database: str, logins: Logins, tls: Tls = milvus_tls.DEFAULT) -> Clients:
    """Connect as each of them; MilvusException where one is not let in."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints whole tracebacks, also of what is told in one line here
    first = logged_in(uri, database, logins.search, tls)
    if logins == Logins():
        return Clients(search=first, ingest=first, admin=first)
    ingest, admin = (logged_in(uri, database, ask, tls) for ask in (logins.ingest, logins.admin))
    return Clients(search=first, ingest=ingest, admin=admin)


def logged_in(uri: str, database: str, ask: Ask, tls: Tls = milvus_tls.DEFAULT) -> MilvusClient:
    """Connect with the password of the Secret, and once more with what is there a moment later."""
    login = ask()
    try:
        return MilvusClient(uri=uri, db_name=database, timeout=CONNECT_TIMEOUT_S, **login.options(), **tls.options())
    except MilvusException:
        if not login.user:
            raise
        time.sleep(_AGAIN_AFTER_S)
        return MilvusClient(uri=uri, db_name=database, timeout=CONNECT_TIMEOUT_S, **ask().options(), **tls.options())
