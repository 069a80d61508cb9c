"""Where a store is and who administers it; opened with boto3 when a provider runs.

The administrator's key is in
none of this: `admin_profile` names an entry of the AWS credentials file of whoever runs Pulumi, and boto3 reads it at run time.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from components.dynamic_provider import AsInputs
from components.s3.client import configuration, verifying

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

OWNER_TAG = "milvus-x10000/owner"
"""Tag on every bucket and user that is ours: project/stack/uid of the namespace."""


@dataclass(frozen=True, kw_only=True)
class Store(AsInputs):
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

    @contextmanager
    def s3(self) -> Iterator["S3Client"]:
        """S3 API, as the administrator."""
        with (
            verifying(self.ca_pem) as verify,
            closing(self._session().client("s3", endpoint_url=self.endpoint, verify=verify, config=configuration())) as s3,
        ):
            yield s3

    @contextmanager
    def iam(self) -> Iterator["IAMClient"]:
        """IAM API, as the administrator."""
        with (
            verifying(self.ca_pem) as verify,
            closing(self._session().client("iam", endpoint_url=self.iam_endpoint, verify=verify, config=configuration())) as iam,
        ):
            yield iam

    def _session(self) -> boto3.Session:
        return boto3.Session(profile_name=self.admin_profile, region_name=self.region)
