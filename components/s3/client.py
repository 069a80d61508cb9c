"""One S3 or IAM client of boto3: path-style addresses, SigV4, a private CA, few and short retries."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRIES = 3
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60


@contextmanager
def client(endpoint: str, region: str, ca_pem: str, access_key: str, secret_key: str) -> Iterator["S3Client"]:
    """S3 client with a key that is at hand, until the block ends."""
    session = boto3.Session(access_key, secret_key, region_name=region)
    with verifying(ca_pem) as verify, closing(session.client("s3", endpoint_url=endpoint, verify=verify, config=configuration())) as s3:
        yield s3


@contextmanager
def verifying(ca_pem: str) -> Iterator[str | bool]:
    """Value of boto3's `verify`: the path of a file with the private CA, or True for the public ones."""
    if not ca_pem:
        yield True
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as bundle:
        bundle.write(ca_pem)
        bundle.flush()
        yield bundle.name


def configuration() -> Config:
    """Return how all clients talk."""
    return Config(
        signature_version="v4",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        request_checksum_calculation="when_required",  # not every store knows the trailing checksums that boto3 sends by default
        response_checksum_validation="when_required",
    )
