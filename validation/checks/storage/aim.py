"""Where the preflight aims and with which key: options first, then the outputs of a stack as far as there are any.

Milvus need not be there, so no output is required but those that no option gave. A key comes from a Secret, from files as a pod mounts a
Secret, or from an AWS profile, never from the command line, where every process of the machine could read it.
"""

import json
import re
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.checks.storage.options import Options, Wal
from validation.clients import kube, target
from validation.clients.documents import Credential
from validation.judge.errors import UsageError

_ROOT_PATH = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*")


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
class Aim(Options):
    """The store, and what is planned on it: the options, with what they left open."""

    endpoint: str
    bucket: str
    root_path: str
    region: str
    wal: Wal
    other_bucket: str
    """A bucket that Milvus's key must not be able to read; "" for none known."""
    milvus_uri: str
    """Where this stack's Milvus is, or will be; "" when not known."""
    dimension: int
    ca_pem: str
    """Private CA; "" for the public ones of this machine."""
    credential: Credential = field(repr=False)
    admin: Credential | None = field(repr=False)
    """May look at what Milvus's own key may not; None: nobody does."""

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
    completed: dict[str, Any] = {
        "endpoint": _endpoint(_required(options.endpoint or outputs.object_store_endpoint, "--endpoint")),
        "bucket": _required(options.bucket or outputs.milvus_bucket, "--bucket"),
        "root_path": _root_path(options.root_path or outputs.milvus_root_path or "milvus"),
        "region": options.region or outputs.object_store_region or "us-east-1",
        "ca_pem": _ca_pem(options, outputs),
        "credential": _credential(options, outputs),
        "admin": from_profile(options.admin_profile) if options.admin_profile else None,
        "wal": options.wal or _wal(outputs.milvus_wal),
        "other_bucket": options.other_bucket or outputs.documents_bucket,
        "milvus_uri": options.milvus_uri or outputs.milvus_uri,
        "dimension": options.dimension or outputs.embedding_dimension or 768,
    }
    return Aim(**vars(options) | completed)


def _outputs(options: Options) -> StoreOutputs:
    stack = options.stack
    if not stack:
        return StoreOutputs()
    is_file = stack.endswith(".json")
    origin = stack if is_file else f"stack {stack}"
    try:
        text = Path(stack).read_text(encoding="utf-8") if is_file else target.outputs_of_stack(stack)
        return StoreOutputs.model_validate(json.loads(text))
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read as a target ({error}); write one with: pulumi stack output --json > FILE"
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        problem = f"{problems}; deploy it again with: pulumi up"
    except ValueError as error:
        problem = f"the outputs are not JSON ({error})"
    raise UsageError(f"{origin}: {problem}")


def _required(value: str, option: str) -> str:
    if not value:
        raise UsageError(f"nobody said which store: give {option}, or ENV, an environment that has made its bucket")
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
        problem = f"endpoint {shown} is not https://host[:port]; Milvus takes no path, no query and no user"
        raise UsageError(f"{problem}, so requests would go elsewhere. Cure: --endpoint https://HOST:PORT")
    return bare


def _root_path(path: str) -> str:
    if not _ROOT_PATH.fullmatch(path):
        allowed = "segments of letters, digits, dash, dot and underscore, no slash or dot in front"
        problem = f"root path {path!r} would not give the keys that Milvus reads back: {allowed}"
        raise UsageError(f"{problem}. Cure: --root-path milvus")
    return path


def _wal(output: str) -> Wal:
    try:
        return Wal(output or Wal.WOODPECKER)
    except ValueError:
        raise UsageError(f"the stack's write-ahead log {output!r} is none that the preflight knows; give --wal, see --help") from None


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
        return from_directory(options.credential_dir)
    if options.profile is not None:
        return from_profile(options.profile)
    if options.secret is not None:
        return from_secret(options.secret)
    if outputs.namespace and outputs.milvus_secret_name:
        return from_secret(f"{outputs.namespace}/{outputs.milvus_secret_name}")
    ways = "--secret NAMESPACE/NAME, --credential-dir DIR or --profile NAME"
    raise UsageError(f"no key to look with: give the one that Milvus will use by {ways}")


def from_secret(reference: str) -> Credential:
    """Return the key in Secret NAMESPACE/NAME."""
    namespace, _, name = reference.partition("/")
    if not namespace or not name:
        raise UsageError(f"--secret {reference} names no Secret; write NAMESPACE/NAME, see what there is with: kubectl get secrets -A")
    with closing(kube.connect()) as kubernetes:
        return kubernetes.credential(namespace, name)


def from_directory(directory: Path) -> Credential:
    """Return the key in the files `access_key` and `secret_key`."""
    option = f"--credential-dir {directory}"
    try:
        access_key, secret_key = ((directory / name).read_text(encoding="utf-8").strip() for name in ("access_key", "secret_key"))
    except (OSError, UnicodeDecodeError) as error:
        cure = "it must hold the files access_key and secret_key, as a pod mounts the Secret"
        raise UsageError(f"{option}: {error}; {cure}") from None
    if not access_key or not secret_key:
        raise UsageError(f"{option}: access_key or secret_key is empty; deploy the Secret again: pulumi up")
    return Credential(access_key=access_key, secret_key=secret_key)


def from_profile(name: str) -> Credential:
    """Return the key of an AWS profile."""
    try:
        credential = boto3.Session(profile_name=name).get_credentials()
    except BotoCoreError as error:
        raise UsageError(f"AWS profile {name}: {error}; make it with: aws configure --profile {name}") from None
    if credential is None or not credential.access_key or not credential.secret_key:
        raise UsageError(f"AWS profile {name} holds no key; make one with: aws configure --profile {name}")
    return Credential(access_key=credential.access_key, secret_key=credential.secret_key)
