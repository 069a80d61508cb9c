"""Where a store is and who administers it; opened with boto3 when a provider runs.

Owns the connection: path-style addresses, signing with SigV4, a private CA, few and short retries. The administrator's key is in
none of this: `admin_profile` names an entry of the AWS credentials file of whoever runs Pulumi, and boto3 reads it at run time.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

OWNER_TAG = "milvus-x10000/owner"
"""Tag on every bucket and user that is ours: project/stack/uid of the namespace."""

_TRIES = 3
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Store:
    """An S3 server with its IAM API."""

    endpoint: str
    """https://host[:port] of the S3 API."""
    iam_endpoint: str
    """https://host[:port] of the IAM API."""
    region: str
    """Signing region."""
    ca_pem: str
    """Private CA as PEM text; "" means the public ones. Text rather than a path: the state must not know this machine."""
    admin_profile: str
    """AWS profile that may make buckets and users."""

    def inputs(self) -> dict[str, str]:
        """As inputs of a dynamic resource."""
        return asdict(self)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Store":
        """From the inputs of a dynamic resource."""
        return cls(**{field.name: inputs[field.name] for field in fields(cls)})

    @contextmanager
    def s3(self) -> Iterator["S3Client"]:
        """S3 API, as the administrator."""
        with self._verify() as verify:
            yield self._session().client("s3", endpoint_url=self.endpoint, verify=verify, config=_config())

    @contextmanager
    def iam(self) -> Iterator["IAMClient"]:
        """IAM API, as the administrator."""
        with self._verify() as verify:
            yield self._session().client("iam", endpoint_url=self.iam_endpoint, verify=verify, config=_config())

    def _session(self) -> boto3.Session:
        return boto3.Session(profile_name=self.admin_profile, region_name=self.region)

    @contextmanager
    def _verify(self) -> Iterator[str | bool]:
        if not self.ca_pem:
            yield True
            return
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as bundle:
            bundle.write(self.ca_pem)
            bundle.flush()
            yield bundle.name


def _config() -> Config:
    return Config(
        signature_version="v4",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        request_checksum_calculation="when_required",  # not every store knows the trailing checksums that boto3 sends by default
        response_checksum_validation="when_required",
    )
