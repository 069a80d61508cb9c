"""A user's key whose id is the user's name, as on an X10000, on an IAM server that makes up the ids itself.

The IAM API of versitygw cannot be asked for an id, so the key is written into the file that its servers share, the way they do it
themselves: read, changed, written beside and renamed. Another server's change between the two is lost by design, so what was
written is looked at again.
"""

import datetime as dt
import json
import operator
import secrets
import time
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_attempt

from tests.emulators.greenlake.record import write_whole

_TRIES = 20
_LOOK_AGAIN_S = 0.03


def set_key(folder: Path, user: str) -> str:
    """Give `user` one new key under its own name, in place of any other; return the secret."""
    secret = secrets.token_urlsafe(30)
    _replace(folder / "iam.json", user, [(user, secret)])
    return secret


def remove_keys(folder: Path, user: str) -> None:
    """Take every key from `user`."""
    _replace(folder / "iam.json", user, [])


def _replace(path: Path, user: str, keys: list[tuple[str, str]]) -> None:
    def written() -> bool:
        _write(path, user, keys)
        time.sleep(_LOOK_AGAIN_S)
        return _are_there(path, user, keys)

    Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(_TRIES))(written)


def _write(path: Path, user: str, keys: list[tuple[str, str]]) -> None:
    whole = _read(path)
    for key in whole["users"][user].get("AccessKeys") or []:
        whole["accessKeyIndex"].pop(key["AccessKeyId"], None)
    now = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    whole["users"][user]["AccessKeys"] = [
        {"AccessKeyId": key, "SecretAccessKey": secret, "Status": "Active", "CreateDate": now} for key, secret in keys
    ]
    whole["accessKeyIndex"] |= dict.fromkeys((key for key, _ in keys), user)
    write_whole(path, json.dumps(whole))


def _are_there(path: Path, user: str, keys: list[tuple[str, str]]) -> bool:
    found = _read(path)["users"].get(user, {}).get("AccessKeys") or []
    return [(key["AccessKeyId"], key["SecretAccessKey"]) for key in found] == keys


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
