"""What can be asked for on the command line, with every default of the preflight."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


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

    budget_mib: Annotated[int, Option(min=1, help="Most MiB that measuring moves, both ways together.")] = 8192
    budget_s: Annotated[float, Option(min=1, help="Most seconds that the questions take, measuring included.")] = 100
    timeout_s: Annotated[float, Option(min=0.1, help="Longest wait for a connection or an answer.")] = 10
    """Milvus's own `minio.requestTimeoutMs` is 10000."""
    patience_s: Annotated[float, Option(min=0, help="Longest time for which the store may say that it is busy.")] = 20


@dataclass(frozen=True, kw_only=True)
class Size:
    """The collection that the estimates are about."""

    vectors: Annotated[int, Option(min=1, help="Vectors of the collection that the estimates are about.")] = 1_000_000
    dimension: Annotated[int | None, Option(min=2, help="Its dimension. Default: the stack's, else 768.")] = None


@dataclass(frozen=True, kw_only=True)
class Options(Size, Limits):
    """What was asked for; None where the stack's outputs, or a default, are to say it."""

    stack: Annotated[str | None, Argument(metavar="[ENV]", help="Environment whose outputs name the store, or their .json file.")] = None
    endpoint: Annotated[str | None, Option(help="https://host[:port] of the S3 API. Default: the stack's.")] = None
    bucket: Annotated[str | None, Option(help="Milvus's bucket. Default: the stack's.")] = None
    root_path: Annotated[str | None, Option(help="Prefix of Milvus's objects. Default: the stack's, else milvus.")] = None
    region: Annotated[str | None, Option(help="Region that requests are signed for. Default: the stack's, else us-east-1.")] = None
    ca_file: Annotated[Path | None, Option(help="PEM of the store's private CA. Default: the stack's ConfigMap, else public CAs.")] = None
    style: Annotated[Style, Option(help="Where the bucket's name stands in addresses.")] = Style.PATH
    secret: Annotated[str | None, Option(help="NAMESPACE/NAME of the Secret with access_key and secret_key. Default: the stack's.")] = None
    credential_dir: Annotated[Path | None, Option(help="Directory with the files access_key and secret_key, as a pod mounts them.")] = None
    profile: Annotated[str | None, Option(help="AWS profile with the key that Milvus will use.")] = None
    admin_profile: Annotated[str | None, Option(help="AWS profile that may read the bucket's settings; only looks.")] = None
    wal: Annotated[Wal | None, Option(help="Write-ahead log that is planned. Default: the stack's, else woodpecker.")] = None
    other_bucket: Annotated[str | None, Option(help="Bucket that Milvus must not read. Default: the stack's documents.")] = None
    scoped_to_prefix: Annotated[bool, Option("--scoped-to-prefix", help="The policy confines the key to the root path: try it.")] = False
    encryption: Annotated[Encryption, Option(help="What is promised at rest; `any`: told, not judged.")] = Encryption.ANY
    milvus_uri: Annotated[str | None, Option(help="Where Milvus is or will be: once its name resolves, its objects are ours.")] = None
    installed: Annotated[bool, Option("--installed", help="Objects below the root path are this Milvus's own.")] = False
    performance: Annotated[bool, Option("--performance/--no-performance", help="Measure latency and throughput.")] = True
    out: Annotated[Path | None, Option(help="Directory for report.json. Default: build/preflight/<UTC time>/")] = None
    strict: Annotated[bool, Option("--strict", help="A warning exits 1.")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress; the table and the RESULT line only.")] = False
