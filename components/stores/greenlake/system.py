"""Which X10000, through which API, and where it serves S3; opened with httpx when a provider runs."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from components.stores.connection import Connection
from components.stores.greenlake.api import Session
from components.stores.greenlake.login import login


@dataclass(frozen=True, kw_only=True)
class GreenLakeSystem(Connection):
    """A storage system that HPE GreenLake manages, and its S3 API."""

    api_endpoint: str
    """https://host of the API, such as https://us-west.api.greenlake.hpe.com."""
    token_url: str
    """https://host/path of the OAuth2 token service."""
    system_id: str
    """Serial number of the system."""
    client_profile: str
    """Profile with the API client: see `login`."""
    api_ca_pem: str
    """Private CA of the API as PEM text; "" means the public ones."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Talk to the API, as the API client of this machine."""
        context = ssl.create_default_context(cadata=self.api_ca_pem or None)
        with httpx.Client(verify=context, timeout=httpx.Timeout(60, connect=10)) as http:
            yield Session(http, self.api_endpoint, self.token_url, self.system_id, login(self.client_profile))
