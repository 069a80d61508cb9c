"""What can be asked for on the command line, with every default of the preflight."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Style(StrEnum):
    """Where the bucket's name stands: https://host/bucket or https://bucket.host."""

    PATH = "path"
    VIRTUAL = "virtual"

    @property
    def other(self) -> "Style":
        """The one that was not asked for."""
        return Style.VIRTUAL if self is Style.PATH else Style.PATH


class Wal(StrEnum):
    """The write-ahead log that is planned."""

    WOODPECKER = "woodpecker"
    WOODPECKER_UNCONDITIONAL = "woodpecker-unconditional"
    PULSAR = "pulsar"
    KAFKA = "kafka"
    ROCKSMQ = "rocksmq"

    @property
    def is_on_the_store(self) -> bool:
        """Whether the log itself lives on the object store; that Milvus is 2.6 or newer."""
        return self in {Wal.WOODPECKER, Wal.WOODPECKER_UNCONDITIONAL}


class Encryption(StrEnum):
    """What the store is configured to do to each object at rest; `any`: told, not judged."""

    ANY = "any"
    NONE = "none"
    AES256 = "AES256"
    KMS = "aws:kms"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how much, so that no preflight goes on for ever."""

    timeout_s: float = 10
    """One connection, one wait for an answer: Milvus's own `minio.requestTimeoutMs` is 10000."""
    patience_s: float = 20
    """How long a store may say that it is busy before it counts as unusable."""
    budget_mib: int = 8192
    """Bytes of the performance part, both ways together."""
    budget_s: float = 120
    """Seconds of the performance part."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """The collection that the estimates are about."""

    vectors: int = 1_000_000
    dimension: int | None = None
    """None: that of the stack's embedding model, else 768."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for; None where the stack's outputs, or a default, are to say it."""

    stack: str | None = None
    target_file: Path | None = None
    endpoint: str | None = None
    bucket: str | None = None
    root_path: str | None = None
    region: str | None = None
    ca_file: Path | None = None
    style: Style = Style.PATH
    secret: str | None = None
    credential_dir: Path | None = None
    profile: str | None = None
    admin_profile: str | None = None
    wal: Wal | None = None
    other_bucket: str | None = None
    scoped_to_prefix: bool = False
    encryption: Encryption = Encryption.ANY
    milvus_uri: str | None = None
    installed: bool = False
    performance: bool = True
    limits: Limits = Limits()
    size: Size = Size()
    strict: bool = False
