"""OAuth2 client credentials: tokens that are given out, and forgotten when they expire."""

import secrets
import time
from dataclasses import dataclass, field

LIFETIME_S = 7200


@dataclass
class Tokens:
    """Tokens of one API client."""

    client_id: str
    client_secret: str = field(repr=False)
    lifetime_s: float = LIFETIME_S
    _valid: dict[str, float] = field(default_factory=dict, repr=False)

    def give(self, form: dict[str, str]) -> str | None:
        """Return a new token, or None for a client that is not ours."""
        known = secrets.compare_digest(form.get("client_id", "").encode(), self.client_id.encode())
        told = secrets.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode())
        if not (known and told):
            return None
        token = secrets.token_urlsafe(32)
        self._valid[token] = time.monotonic() + self.lifetime_s
        return token

    def accepts(self, authorization: str) -> bool:
        """Whether a header `Bearer ...` carries a token that is still valid."""
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and self._valid.get(token, 0) > time.monotonic()

    def expire(self) -> None:
        """Let every token expire now."""
        self._valid.clear()
