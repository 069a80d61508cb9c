"""What a rotation did, as data: which steps took how long, which evidence was used, what the store refused. No key is in it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

SCHEMA = "milvus-x10000/rotation"


@dataclass(kw_only=True)
class Report:
    """One run of the command; a field that was not reached is None."""

    environment: str
    old: int | None = None
    """Generation of the key that goes."""
    new: int | None = None
    steps: list[str] = field(default_factory=list)
    """What was left to do when the command began."""
    seconds: dict[str, float] = field(default_factory=dict)
    evidence_kind: str | None = None
    """`access log` or `pods`."""
    evidence: str | None = None
    old_key: str | None = None
    """The store's answer to the old key afterwards."""
    new_key: str | None = None
    refused_to_milvus: int | None = None
    """Requests that the store refused to Milvus meanwhile; None where no log tells."""
    result: str = "stopped"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        begun_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun_s, 1)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schema": SCHEMA, "schema_version": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n")
