"""Where an S3 API is, the one way to make a client of it, and what its failures mean in words that help.

Path-style addresses, SigV4, a private CA, few and short retries. The administrator's key is in none of this: `admin_profile` names an entry
of the AWS credentials file of whoever runs Pulumi, and boto3 reads it at run time.

    ProviderError
      StoreError    the store cannot be used as declared; the message is for the operator

Every foreseen failure of boto3 becomes one; anything else passes through with its traceback, since it is a defect of ours. No message
repeats what a library says of a request: its headers hold the credential.
"""

import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import boto3
import yaml
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError

from components.dynamic_provider import AsInputs, ProviderError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

_CONFIG = Config(
    signature_version="v4",
    s3={"addressing_style": "path"},
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=5,
    read_timeout=60,
    request_checksum_calculation="when_required",  # not every store knows the trailing checksums that boto3 sends by default
    response_checksum_validation="when_required",
)


@dataclass(frozen=True, kw_only=True)
class Connection(AsInputs):
    """An S3 server, without anybody who administers it."""

    endpoint: str  # https://host[:port] of the S3 API
    region: str  # signing region
    ca_pem: str
    """Private CA as PEM text; "" means the public ones. Text rather than a path: the state must not know this machine."""


@contextmanager
def s3_client(connection: Connection, access_key: str, secret_key: str) -> Iterator["S3Client"]:
    """Open the S3 API with a key that is at hand, until the block ends."""
    with api_client("s3", connection, connection.endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key) as s3:
        yield s3


@contextmanager
def api_client(  # boto3 makes its classes at run time
    service: Literal["s3", "iam"],
    connection: Connection,
    endpoint: str,
    **who: Any,  # noqa: ANN401  texts
) -> Iterator[Any]:
    """Open one API of the server at `endpoint`, until the block ends; `who` is a key or a profile, as boto3's Session takes it."""
    session = boto3.Session(region_name=connection.region, **who)
    with (
        _verifying(connection.ca_pem) as verify,
        closing(session.client(service, endpoint_url=endpoint, verify=verify, config=_CONFIG)) as client,
    ):
        yield client


@contextmanager
def _verifying(ca_pem: str) -> Iterator[str | bool]:
    """Value of boto3's `verify`: the path of a file with the private CA, or True for the public ones."""
    if not ca_pem:
        yield True
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as bundle:
        bundle.write(ca_pem)
        bundle.flush()
        yield bundle.name


class StoreError(ProviderError):
    """The store cannot be used as declared."""


class Cause(NamedTuple):
    """Why a call failed: code, text with `{detail}` and the words of the caller, setting that cures it."""

    code: str
    text: str
    setting: str = ""


_TABLES = yaml.safe_load(Path(__file__).with_name("errors.yaml").read_text(encoding="utf-8"))
_FOR_ADMINISTRATOR, _FOR_USER, _BY_EXCEPTION, _NO_API = (
    {name: Cause(**cause) for name, cause in _TABLES[table].items()} for table in ("administrator", "user", "exception", "no_api")
)


@contextmanager
def explained(endpoint: str, action: str, profile: str, *, service: str = "S3") -> Iterator[None]:
    """Turn a foreseen failure of `action`, by the administrator, into a StoreError; `service` is `S3` or `IAM`."""
    with _explained(endpoint, action, _FOR_ADMINISTRATOR, _NO_API[service], {"profile": profile}):
        yield


@contextmanager
def explained_for_user(endpoint: str, action: str, secret: str, by_code: Mapping[str, Cause] = _FOR_USER) -> Iterator[None]:
    """Turn a foreseen failure of `action`, with the key in the Kubernetes Secret `secret`, into a StoreError."""
    with _explained(endpoint, action, by_code, _NO_API["S3"], {"secret": secret}):
        yield


def error_code(error: boto.ClientError) -> str:
    """Return the error code of an answer, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _explained(endpoint: str, action: str, by_code: Mapping[str, Cause], no_api: Cause, words: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        cause, detail = _cause(error, by_code, no_api)
        if cause is None:
            raise
        text = cause.text.format(**words, endpoint=endpoint, detail=detail, kind=type(error).__name__)
        raise StoreError(f"{endpoint}: cannot {action}: {text}", code=cause.code, setting=cause.setting) from None


def _cause(error: Exception, by_code: Mapping[str, Cause], no_api: Cause) -> tuple[Cause | None, str]:
    if not isinstance(error, boto.ClientError):
        parsed = no_api if isinstance(error, ResponseParserError) else None
        return next((cause for name, cause in _BY_EXCEPTION.items() if isinstance(error, getattr(boto, name))), parsed), str(error)
    code, status = error_code(error), str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    if code not in by_code and code in {"", "Unknown", status}:
        return no_api, f"HTTP {status}"
    detail = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    return by_code.get(code, Cause("store.refused", f"it answers {status} {{detail}}")), detail


@dataclass(frozen=True, kw_only=True)
class S3Server(Connection):
    """An S3 server with its IAM API."""

    iam_endpoint: str  # https://host[:port] of the IAM API
    admin_profile: str  # AWS profile that may make buckets and users

    def s3(self) -> AbstractContextManager["S3Client"]:
        """Open the S3 API, as the administrator."""
        return api_client("s3", self, self.endpoint, profile_name=self.admin_profile)

    def iam(self) -> AbstractContextManager["IAMClient"]:
        """Open the IAM API, as the administrator."""
        return api_client("iam", self, self.iam_endpoint, profile_name=self.admin_profile)

    def command(self, *words: str) -> str:
        """Return a shell command of the AWS client, as the administrator: `words` begin with the service."""
        endpoint = self.iam_endpoint if words[0] == "iam" else self.endpoint
        return shlex.join(["aws", "--profile", self.admin_profile, "--endpoint-url", endpoint, *words])
