"""What a bucket is like, whichever driver makes it. Pure data; a driver refuses what its store cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Object lock: every new object version is kept at least so long, from whoever wants to delete it."""

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    """COMPLIANCE: nobody can shorten it, not even the store's administrator."""
    days: int
    """Retention of a new object version."""


@dataclass(frozen=True, kw_only=True)
class BucketOptions:
    """Properties of one bucket."""

    versioned: bool
    """Keep old versions of an object. Never for Milvus: its garbage would stay, and its write-ahead log wants a plain bucket."""
    compressed: bool | None = None
    """None: as the store does it by itself."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The operator's own tags, beside our mark."""
    lock: Lock | None = None
    """Object lock, which needs versions. Never for Milvus: its compaction could delete nothing."""
    encryption: Literal["AES256"] | None = None
    """Default server-side encryption; None: as the store does it by itself."""

    def inputs(self) -> dict[str, Any]:
        """As inputs of a dynamic resource: plain, and equal for equal options."""
        return {
            "versioned": self.versioned,
            "compressed": self.compressed,
            "tags": dict(sorted(self.tags.items())),
            "lock": {"mode": self.lock.mode, "days": self.lock.days} if self.lock is not None else {},
            "encryption": self.encryption if self.encryption is not None else "",
        }
