"""A bucket and a scoped credential on any S3 server with an AWS-compatible IAM API: dynamic resources on boto3."""

from components.stores.s3.server import S3Server
from components.stores.s3.store import LONGEST_USER, S3Store

__all__ = ["LONGEST_USER", "S3Server", "S3Store"]
