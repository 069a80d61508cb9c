"""Where an S3 API is, and the one way to make a client of it: path-style addresses, SigV4, a private CA, few and short retries."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config

from components.dynamic_provider import AsInputs

if TYPE_CHECKING:
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

    endpoint: str
    """https://host[:port] of the S3 API."""
    region: str
    """Signing region."""
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
