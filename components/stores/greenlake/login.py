"""Id and secret of the GreenLake API client, as whoever runs Pulumi has them: from the environment, or a named profile of a file.

    [default]
    client_id = ...
    client_secret = ...

in ~/.greenlake/credentials, or wherever GREENLAKE_CREDENTIALS_FILE says; GREENLAKE_CLIENT_ID and GREENLAKE_CLIENT_SECRET, both set,
come first. Never a setting: it would be in the configuration and in the state.
"""

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path

from components.stores.errors import StoreError

_VARIABLES = ("GREENLAKE_CLIENT_ID", "GREENLAKE_CLIENT_SECRET")
_FIELDS = ("client_id", "client_secret")


@dataclass(frozen=True)
class Login:
    """One API client."""

    client_id: str
    client_secret: str = field(repr=False)


def login(profile: str) -> Login:
    """Return the API client of this machine; StoreError that says where one was looked for."""
    given = [os.environ.get(name, "") for name in _VARIABLES]
    if all(given):
        return Login(*given)
    if any(given):
        missing = _VARIABLES[given.index("")]
        raise StoreError(
            f"{missing} is not set, the other half of the API client is. Cure: export {missing}, or unset both.",
            code="greenlake.half_client",
        )
    return _from_file(Path(os.environ.get("GREENLAKE_CREDENTIALS_FILE", "~/.greenlake/credentials")).expanduser(), profile)


def _from_file(path: Path, profile: str) -> Login:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except configparser.Error:
        raise StoreError(
            f"{path} cannot be read as profiles. Cure: write [{profile}], client_id = ... and client_secret = ...",
            code="greenlake.no_client",
        ) from None
    values = [parser.get(profile, name, fallback="") for name in _FIELDS]
    if not all(values):
        raise StoreError(
            f"the profile {profile!r} of {path} has no client_id and client_secret, so nobody can make buckets or users. Cure: take an "
            f"API client of the workspace, which has at most 7, or create one in HPE GreenLake (Manage Workspace, Personal API clients), "
            f"and write both into that file, mode 0600; or set {' and '.join(_VARIABLES)}.",
            code="greenlake.no_client",
        )
    return Login(*values)
