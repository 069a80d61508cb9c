"""Where the preflight aims and with which key: options first, then the outputs of a stack as far as there are any.

Milvus need not be there, so no output is required but those that no option gave. A key comes from a Secret, from mounted files or from
an AWS profile, never from the command line, where every process of the machine could read it.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.checks.storage.credentials import from_config_map, from_directory, from_profile, from_secret
from validation.checks.storage.options import Encryption, Limits, Options, Size, Style, Wal
from validation.clients import target
from validation.clients.documents import Credential
from validation.judge.errors import UsageError

_ROOT_PATH = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*")
_DIMENSION = 768
_DEFAULT_ROOT_PATH = "milvus"


class StoreOutputs(BaseModel):
    """The outputs of a stack that say where its store is; all may be missing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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
class Aim:
    """The store, and what is planned on it."""

    endpoint: str
    bucket: str
    root_path: str
    region: str
    ca_pem: str
    """Private CA; "" for the public ones of this machine."""
    style: Style
    credential: Credential = field(repr=False)
    admin: Credential | None = field(repr=False)
    """May look at what Milvus's own key may not; None: nobody does."""
    wal: Wal
    other_bucket: str
    """A bucket that Milvus's key must not be able to read; "" for none known."""
    scoped_to_prefix: bool
    encryption: Encryption
    milvus_uri: str
    """Where this stack's Milvus is, or will be; "" when not known."""
    installed: bool
    performance: bool
    limits: Limits
    vectors: int
    dimension: int

    @property
    def host(self) -> str:
        """Host of the endpoint."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def is_tls(self) -> bool:
        """Whether the endpoint speaks TLS."""
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def port(self) -> int:
        """Port of the endpoint, or that of its scheme."""
        return urlsplit(self.endpoint).port or (443 if self.is_tls else 80)


def take(options: Options) -> Aim:
    """Put options and outputs together; UsageError for what is missing or cannot be right."""
    outputs = _outputs(options)
    return Aim(
        endpoint=_endpoint(_needed(options.endpoint or outputs.object_store_endpoint, "--endpoint")),
        bucket=_needed(options.bucket or outputs.milvus_bucket, "--bucket"),
        root_path=_root_path(options.root_path or outputs.milvus_root_path or _DEFAULT_ROOT_PATH),
        region=options.region or outputs.object_store_region or "us-east-1",
        ca_pem=_ca_pem(options, outputs),
        style=options.style,
        credential=_credential(options, outputs),
        admin=from_profile(options.admin_profile) if options.admin_profile else None,
        wal=options.wal or _wal(outputs.milvus_wal),
        other_bucket=options.other_bucket or outputs.documents_bucket,
        scoped_to_prefix=options.scoped_to_prefix,
        encryption=options.encryption,
        milvus_uri=options.milvus_uri or outputs.milvus_uri,
        installed=options.installed,
        performance=options.performance,
        limits=options.limits,
        **_size(options.size, outputs),
    )


def _outputs(options: Options) -> StoreOutputs:
    if options.stack and options.target_file:
        raise UsageError("--stack and --target both name a target; give one of them")
    if options.target_file:
        origin, text = str(options.target_file), _read(options.target_file)
    elif options.stack:
        origin, text = f"stack {options.stack}", target.outputs_of_stack(options.stack)
    else:
        return StoreOutputs()
    try:
        return StoreOutputs.model_validate(json.loads(text))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"{origin}: {problems}; deploy it again with: pulumi up") from None
    except ValueError as error:
        raise UsageError(f"{origin}: the outputs are not JSON ({error})") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a target ({error}); write one with: pulumi stack output --json > FILE") from None


def _needed(value: str, option: str) -> str:
    if not value:
        raise UsageError(f"nobody said which store: give {option}, or --stack NAME or --target FILE of a stack that has made its bucket")
    return value


def _endpoint(url: str) -> str:
    """Refuse what Milvus's chart cannot carry: it takes a host, a port and whether TLS is used, nothing else."""
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc}"
    try:
        fits = parts.scheme in {"http", "https"} and parts.hostname and url.rstrip("/") == bare and "@" not in parts.netloc
        fits = fits and (parts.port is None or parts.port > 0) and not parts.netloc.endswith(":")
    except ValueError:
        fits = False
    if not fits:
        shown = url if "@" not in url else "(an address with a user in it)"
        raise UsageError(
            f"endpoint {shown} is not https://host[:port]; Milvus takes no path, no query and no user, "
            "so requests would go elsewhere. Cure: --endpoint https://HOST:PORT"
        )
    return bare


def _root_path(path: str) -> str:
    if not _ROOT_PATH.fullmatch(path):
        raise UsageError(
            f"root path {path!r} would not give the keys that Milvus reads back: segments of letters, digits, dash, dot and underscore, "
            "no slash or dot in front. Cure: --root-path milvus"
        )
    return path


def _wal(output: str) -> Wal:
    try:
        return Wal(output) if output else Wal.WOODPECKER
    except ValueError:
        raise UsageError(f"the stack's write-ahead log {output!r} is none that the preflight knows; give --wal, see --help") from None


def _ca_pem(options: Options, outputs: StoreOutputs) -> str:
    if options.ca_file is None:
        config_map = outputs.object_store_ca_config_map
        return from_config_map(outputs.namespace, config_map) if config_map else ""
    try:
        text = options.ca_file.expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--ca-file {options.ca_file} cannot be read as PEM ({error})") from None
    if "BEGIN CERTIFICATE" not in text:
        raise UsageError(f"--ca-file {options.ca_file} holds no certificate in PEM form; convert it: openssl x509 -inform der -in FILE")
    return text


def _credential(options: Options, outputs: StoreOutputs) -> Credential:
    given = [name for name in ("secret", "credential_dir", "profile") if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join('--' + name.replace('_', '-') for name in given)} all name a key; give the one that Milvus will use"
        )
    if options.credential_dir is not None:
        return from_directory(options.credential_dir)
    if options.profile is not None:
        return from_profile(options.profile)
    if options.secret is not None:
        return from_secret(options.secret)
    if outputs.namespace and outputs.milvus_secret_name:
        return from_secret(f"{outputs.namespace}/{outputs.milvus_secret_name}")
    raise UsageError(
        "no key to look with: give the one that Milvus will use by --secret NAMESPACE/NAME, --credential-dir DIR or --profile NAME"
    )


def _size(size: Size, outputs: StoreOutputs) -> dict[str, int]:
    known = size.dimension or outputs.embedding_dimension or _DIMENSION
    return {"vectors": size.vectors, "dimension": known}
