"""An S3 server with its IAM API, and who administers it; opened with boto3 when a provider runs.

The administrator's key is in none of this: `admin_profile` names an entry of the AWS credentials file of whoever runs Pulumi, and
boto3 reads it at run time.
"""

import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.stores.connection import Connection, api_client

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class S3Server(Connection):
    """An S3 server with its IAM API."""

    iam_endpoint: str
    """https://host[:port] of the IAM API."""
    admin_profile: str
    """AWS profile that may make buckets and users."""

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
