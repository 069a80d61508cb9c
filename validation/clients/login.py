"""By which user Milvus is spoken to; apart from its client, which is slow to import and which not everybody who reads a Secret needs."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user and its password; neither where authentication is disabled."""

    user: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """Return it as pymilvus takes it."""
        return {"user": self.user, "password": self.password} if self.user else {}

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return it as a gRPC call carries it (Milvus reads base64 of USER:PASSWORD)."""
        return (("authorization", b64encode(f"{self.user}:{self.password}".encode()).decode()),) if self.user else ()


ReadLogin = Callable[[], Login]  # reads a Secret as it is now; Login itself returns no user


@dataclass(frozen=True, kw_only=True)
class Logins:
    """One for each thing that the gate does."""

    search: ReadLogin = Login
    ingest: ReadLogin = Login
    admin: ReadLogin = Login
