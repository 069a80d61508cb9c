"""Which X10000, through which API, and where it serves S3; opened with httpx when a provider runs.

Id and secret of the API client are those that whoever runs Pulumi has: from the environment, or a named profile of a file,

    [default]
    client_id = ...
    client_secret = ...

in ~/.greenlake/credentials, or wherever GREENLAKE_CREDENTIALS_FILE says; GREENLAKE_CLIENT_ID and GREENLAKE_CLIENT_SECRET, both set,
come first. Never a setting: it would be in the configuration and in the state.
"""

import configparser
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from components.stores import Connection, StoreError
from components.stores.greenlake.api import Login, Session

_VARIABLES = ("GREENLAKE_CLIENT_ID", "GREENLAKE_CLIENT_SECRET")


@dataclass(frozen=True, kw_only=True)
class GreenLakeSystem(Connection):
    """A storage system that HPE GreenLake manages, and its S3 API."""

    api_endpoint: str  # https://host of the API, such as https://us-west.api.greenlake.hpe.com
    token_url: str  # https://host/path of the OAuth2 token service
    system_id: str  # serial number of the system
    client_profile: str  # profile with the API client
    api_ca_pem: str  # private CA of the API as PEM text; "" means the public ones

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Talk to the API, as the API client of this machine; StoreError where there is none."""
        context = ssl.create_default_context(cadata=self.api_ca_pem or None)
        with httpx.Client(verify=context, timeout=httpx.Timeout(60, connect=10)) as http:
            yield Session(http, self.api_endpoint, self.token_url, self.system_id, _login(self.client_profile))


def _login(profile: str) -> Login:
    given = [os.environ.get(name, "") for name in _VARIABLES]
    if all(given):
        return Login(*given)
    if any(given):
        raise StoreError.by_code("greenlake.half_client", missing=_VARIABLES[given.index("")])
    path = Path(os.environ.get("GREENLAKE_CREDENTIALS_FILE", "~/.greenlake/credentials")).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except configparser.Error:
        raise StoreError.by_code("greenlake.no_client/unreadable", path=path, profile=profile) from None
    values = [parser.get(profile, name, fallback="") for name in ("client_id", "client_secret")]
    if not all(values):
        raise StoreError.by_code("greenlake.no_client", profile=profile, path=path, variables=" and ".join(_VARIABLES))
    return Login(*values)
