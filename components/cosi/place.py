"""Where a bucket is, for whoever uses it."""

from dataclasses import dataclass

from components.dynamic_provider import AsInputs


@dataclass(frozen=True, kw_only=True)
class Place(AsInputs):
    """An S3 server, without anybody who administers it."""

    endpoint: str
    """https://host[:port] of the S3 API."""
    region: str
    """Signing region."""
    ca_pem: str
    """Private CA as PEM text; "" means the public ones."""
