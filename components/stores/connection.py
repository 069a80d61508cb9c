"""Where an S3 API is, the one way to make a client of it, and what its failures mean in words that help.

Path-style addresses, SigV4, a private CA, few and short retries. The administrator's key is in none of this: `admin_profile` names an entry
of the AWS credentials file of whoever runs Pulumi, and boto3 reads it at run time.

Every foreseen failure of boto3 becomes a StoreError; anything else passes through with its traceback, since it is a defect of ours. No
message repeats what a library says of a request: its headers hold the credential.
"""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import boto3
import yaml
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError

from components.dynamic_provider import AsInputs, ProviderError, as_file

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
else:
    S3Client = IAMClient = Any  # the packages hold types alone, and are not there at run time

__all__ = ["IAMClient", "S3Client"]  # of those packages, for whoever is given a client
T = TypeVar("T")
# not every store knows the trailing checksums that boto3 sends by default
_CHECKSUMS: dict[str, Any] = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
_PATIENCE: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 3}, "connect_timeout": 5, "read_timeout": 60}
_CONFIG = Config(signature_version="v4", s3={"addressing_style": "path"}, **_PATIENCE, **_CHECKSUMS)


@dataclass(frozen=True, kw_only=True)
class Connection(AsInputs):
    """An S3 server, without anybody who administers it."""

    endpoint: str  # https://host[:port] of the S3 API
    region: str  # signing region
    ca_pem: str  # private CA as PEM text; "" means the public ones. Text rather than a path: the state must not know this machine


def s3_client(connection: Connection, access_key: str, secret_key: str) -> AbstractContextManager[S3Client]:
    """Open the S3 API with a key that is at hand, until the block ends."""
    return api_client("s3", connection, connection.endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key)


@contextmanager
def api_client(service: Literal["s3", "iam"], connection: Connection, endpoint: str, **who: Any) -> Iterator[Any]:  # noqa: ANN401  boto3 makes its classes at run time
    """Open one API of the server at `endpoint`, until the block ends; `who` is a key or a profile, as boto3's Session takes it."""
    session = boto3.Session(region_name=connection.region, **who)
    with ExitStack() as stack:
        verify = stack.enter_context(as_file(connection.ca_pem)) if connection.ca_pem else True
        yield stack.enter_context(closing(session.client(service, endpoint_url=endpoint, verify=verify, config=_CONFIG)))


class StoreError(ProviderError):
    """The store cannot be used as declared; the message is for the operator."""


class Cause(NamedTuple):
    """Why a call failed: code, text with `{detail}` and the words of the caller, setting that cures it."""

    code: str
    text: str
    setting: str = ""


TABLES = yaml.safe_load(Path(__file__).with_name("errors.yaml").read_text(encoding="utf-8"))
FOR_ADMINISTRATOR, FOR_USER, OF_MADE_USER, _BY_EXCEPTION, _NO_API = (
    {name: Cause(**cause) for name, cause in TABLES[table].items()} for table in ("administrator", "user", "made", "exception", "no_api")
)


def error_code(error: boto.ClientError) -> str:
    """Return the error code of an answer, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


def unless(codes: Collection[str], call: Callable[..., T], *args: Any, **options: Any) -> T | None:  # noqa: ANN401  those of the call
    """Return what a call answers, None where that is an error with one of the codes."""
    try:
        return call(*args, **options)
    except boto.ClientError as error:
        if error_code(error) in codes:
            return None
        raise


@contextmanager
def explained(endpoint: str, action: str, by_code: Mapping[str, Cause], *, service: str = "S3", **words: str) -> Iterator[None]:
    """Turn a foreseen failure of `action` into a StoreError; `words`: the administrator's `profile`, or the `secret` of a user."""
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        cause, detail = _cause(error, by_code, _NO_API[service])
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

    def s3(self) -> AbstractContextManager[S3Client]:
        """Open the S3 API, as the administrator."""
        return api_client("s3", self, self.endpoint, profile_name=self.admin_profile)

    def iam(self) -> AbstractContextManager[IAMClient]:
        """Open the IAM API, as the administrator."""
        return api_client("iam", self, self.iam_endpoint, profile_name=self.admin_profile)

    def command(self, *words: str) -> str:
        """Return a shell command of the AWS client, as the administrator: `words` begin with the service."""
        endpoint = self.iam_endpoint if words[0] == "iam" else self.endpoint
        return shlex.join(["aws", "--profile", self.admin_profile, "--endpoint-url", endpoint, *words])
