"""What the store itself wrote down of who asked for what: its access log, as versitygw writes it (fields of S3 server access logs).

Owns reading it, from its beginning or from a mark on. The requester must be the access key, as it is there; a log that names
users otherwise (AWS) shows no key in use, and nothing is made of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stacks.problems import SettingsError

_LINE = re.compile(
    r"^\S+ (?P<bucket>\S+) \[[^\]]+\] (?P<address>\S+) (?P<key>\S+) \S+ (?P<operation>\S+) "
    r".*? (?P<status>\d{3}) (?P<error>\S+) (?P<rest>.*)$"
)
_BLUEPRINT = "Boto3/"
"""Signs what the preflight, the gate and these commands ask; Milvus has clients of its own."""
_FORBIDDEN = 403


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line."""

    bucket: str
    address: str
    """Of who asked."""
    key: str
    """Access key that signed it; "-" for one that the store does not know."""
    operation: str
    status: int
    error: str
    """The store's code, "-" for none."""
    ours: bool
    """Asked by the blueprint's own commands, not by Milvus."""

    @property
    def refused(self) -> bool:
        """Whether the store did not let the key in."""
        return self.status == _FORBIDDEN


@dataclass
class AccessLog:
    """The log at `path`; a mark is a length, and a log that became shorter since was begun anew."""

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise SettingsError(f"there is no access log {self.path}; name the store's with --access-log, or leave that out")

    def mark(self) -> int:
        """Where the log ends now."""
        return self.path.stat().st_size

    def requests(self, since: int = 0) -> Iterator[Request]:
        """Yield what was asked since a mark; a line that is being written is left for the next time."""
        with self.path.open("rb") as log:
            log.seek(since if since <= self.mark() else 0)
            for line in log:
                found = _LINE.match(line.decode(errors="replace")) if line.endswith(b"\n") else None
                if found is not None:
                    yield _request(found)


def _request(found: re.Match[str]) -> Request:
    return Request(
        bucket=found["bucket"],
        address=found["address"],
        key=found["key"],
        operation=found["operation"].removeprefix("s3_"),
        status=int(found["status"]),
        error=found["error"],
        ours=_BLUEPRINT in found["rest"],
    )
