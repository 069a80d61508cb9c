"""The options of the preflight with every default, then the outputs of a stack as far as there are any: where it aims, and with which key.

Milvus need not be there, so no output is required but those that no option gave. A key comes from a Secret, from files as a pod mounts a
Secret, or from an AWS profile, never from the command line, where every process of the machine could read it.
"""

import re
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError
from pydantic import Field
from typer import Argument, Option

from validation.clients import kube, target
from validation.clients.documents import Credential, credential_in
from validation.judge.errors import UsageError
from validation.run.options import Json

_ROOT_PATH = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*")


class Style(StrEnum):
    """Where the bucket's name stands: https://host/bucket or https://bucket.host."""

    PATH = "path"
    VIRTUAL = "virtual"


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
class Options:
    """What was asked for; None where the stack's outputs, or a default, are to say it."""

    budget_mib: Annotated[int, Option(min=1, help="Most MiB that measuring moves, both ways together.")] = 8192
    budget_s: Annotated[float, Option(min=1, help="Most seconds that the questions take, measuring included.")] = 100
    timeout_s: Annotated[float, Option(min=0.1, help="Longest wait for a connection or an answer.")] = 10
    """Milvus's own `minio.requestTimeoutMs` is 10000."""
    patience_s: Annotated[float, Option(min=0, help="Longest time for which the store may say that it is busy.")] = 20
    vectors: Annotated[int, Option(min=1, help="Vectors of the collection that the estimates are about.")] = 1_000_000
    dimension: Annotated[int | None, Option(min=2, help="Its dimension. Default: the stack's, else 768.")] = None

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
    as_json: Json = False


class StoreOutputs(target.Part):
    """The outputs of a stack that say where its store is; all may be missing."""

    namespace: str = ""
    milvus_bucket: str = ""
    milvus_secret_name: str = ""
    milvus_root_path: str = ""
    milvus_wal: str = ""
    milvus_uri: str = ""
    documents_bucket: str = ""
    object_store_endpoint: str = ""
    object_store_region: str = ""
    object_store_ca_config_map: str = ""
    embedding_dimension: Annotated[int, Field(ge=0, le=32_768)] = 0


@dataclass(frozen=True, kw_only=True)
class Aim(Options):
    """The store, and what is planned on it: the options, with what they left open."""

    endpoint: str
    bucket: str
    root_path: str
    region: str
    wal: Wal
    other_bucket: str  # a bucket that Milvus's key must not be able to read; "" for none known
    milvus_uri: str  # where this stack's Milvus is, or will be; "" when not known
    dimension: int
    ca_pem: str  # private CA; "" for the public ones of this machine
    credential: Credential = field(repr=False)
    admin: Credential | None = field(repr=False)  # may look at what Milvus's own key may not; None: nobody does
    host: str
    port: int  # of the endpoint, or that of its scheme
    is_tls: bool


def take(options: Options) -> Aim:
    """Put options and outputs together; UsageError for what is missing or cannot be right."""
    outputs = target.read_as(StoreOutputs, options.stack) if options.stack else StoreOutputs()
    root_path = options.root_path or outputs.milvus_root_path or "milvus"
    if not _ROOT_PATH.fullmatch(root_path):
        allowed = "segments of letters, digits, dash, dot and underscore, no slash or dot in front"
        raise UsageError.of("store.root_path", root_path=root_path, allowed=allowed)
    completed: dict[str, Any] = {
        "endpoint": _endpoint(_required(options.endpoint or outputs.object_store_endpoint, "--endpoint")),
        "bucket": _required(options.bucket or outputs.milvus_bucket, "--bucket"),
        "root_path": root_path,
        "region": options.region or outputs.object_store_region or "us-east-1",
        "ca_pem": _ca_pem(options, outputs),
        "credential": _credential(options, outputs),
        "admin": from_profile(options.admin_profile) if options.admin_profile else None,
        "wal": options.wal or outputs.milvus_wal or Wal.WOODPECKER,
        "other_bucket": options.other_bucket or outputs.documents_bucket,
        "milvus_uri": options.milvus_uri or outputs.milvus_uri,
        "dimension": options.dimension or outputs.embedding_dimension or 768,
    }
    url = urlsplit(completed["endpoint"])
    completed |= {"host": url.hostname or "", "is_tls": url.scheme == "https", "port": url.port or (443 if url.scheme == "https" else 80)}
    try:
        completed["wal"] = Wal(completed["wal"])
    except ValueError:
        raise UsageError.of("store.unknown_log", log=outputs.milvus_wal) from None
    return Aim(**vars(options) | completed)


def _required(value: str, option: str) -> str:
    if not value:
        raise UsageError(f"nobody said which store: give {option}, or ENV, an environment that has made its bucket")
    return value


def _endpoint(url: str) -> str:
    """Refuse what Milvus's chart cannot carry: it takes a host, a port and whether TLS is used, nothing else."""
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc}"
    with suppress(ValueError):  # of a port that is none
        fits = parts.scheme in {"http", "https"} and parts.hostname and url.rstrip("/") == bare and "@" not in parts.netloc
        if fits and parts.port != 0 and not parts.netloc.endswith(":"):
            return bare
    shown = url if "@" not in url else "(an address with a user in it)"
    raise UsageError.of("store.endpoint", shown=shown)


def _ca_pem(options: Options, outputs: StoreOutputs) -> str:
    path, config_map = options.ca_file, outputs.object_store_ca_config_map
    if path is None and config_map:
        with closing(kube.connect()) as kubernetes:
            return kubernetes.certificate_authority(outputs.namespace, config_map)
    try:
        text = path.expanduser().read_text(encoding="ascii") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--ca-file {path} cannot be read as PEM ({error})") from None
    if path and "BEGIN CERTIFICATE" not in text:
        raise UsageError(f"--ca-file {path} holds no certificate in PEM form; convert it: openssl x509 -inform der -in FILE")
    return text


def _credential(options: Options, outputs: StoreOutputs) -> Credential:
    given = [f"--{name.replace('_', '-')}" for name in ("secret", "credential_dir", "profile") if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} all name a key; give the one that Milvus will use")
    if options.credential_dir is not None:
        return credential_in(options.credential_dir)
    if options.profile is not None:
        return from_profile(options.profile)
    reference = options.secret
    if reference is None and outputs.namespace and outputs.milvus_secret_name:
        reference = f"{outputs.namespace}/{outputs.milvus_secret_name}"
    if reference is None:
        raise UsageError.of("store.no_key")
    namespace, _, name = reference.partition("/")
    if not namespace or not name:
        raise UsageError(f"--secret {reference} names no Secret; write NAMESPACE/NAME, see what there is with: kubectl get secrets -A")
    with closing(kube.connect()) as kubernetes:
        return kubernetes.credential(namespace, name)


def from_profile(name: str) -> Credential:
    """Return the key of an AWS profile."""
    try:
        credential = boto3.Session(profile_name=name).get_credentials()
    except BotoCoreError as error:
        raise UsageError(f"AWS profile {name}: {error}; make it with: aws configure --profile {name}") from None
    if credential is None or not credential.access_key or not credential.secret_key:
        raise UsageError(f"AWS profile {name} holds no key; make one with: aws configure --profile {name}")
    return Credential(access_key=credential.access_key, secret_key=credential.secret_key)
