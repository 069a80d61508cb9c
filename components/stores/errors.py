"""What the object store answered, in words that help: the value seen, what it breaks, what cures it.

    ProviderError
      StoreError    the store cannot be used as declared; the message is for the operator

Every foreseen failure of boto3 becomes one; anything else passes through with its traceback, since it is a defect of ours. No message
repeats what a library says of a request: its headers hold the credential.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from components.dynamic_provider import ProviderError


class StoreError(ProviderError):
    """The store cannot be used as declared."""


class Cause(NamedTuple):
    """Why a call failed: code, text with `{detail}` and the words of the caller, setting that cures it."""

    code: str
    text: str
    setting: str = ""


_TABLES = yaml.safe_load(Path(__file__).with_name("errors.yaml").read_text(encoding="utf-8"))
_FOR_ADMINISTRATOR, _FOR_USER, _BY_EXCEPTION, _NO_API = (
    {name: Cause(**cause) for name, cause in _TABLES[table].items()} for table in ("administrator", "user", "exception", "no_api")
)


@contextmanager
def explained(endpoint: str, action: str, profile: str, *, service: str = "S3") -> Iterator[None]:
    """Turn a foreseen failure of `action`, by the administrator, into a StoreError; `service` is `S3` or `IAM`."""
    with _explained(endpoint, action, _FOR_ADMINISTRATOR, _NO_API[service], {"profile": profile}):
        yield


@contextmanager
def explained_for_user(endpoint: str, action: str, secret: str, by_code: Mapping[str, Cause] = _FOR_USER) -> Iterator[None]:
    """Turn a foreseen failure of `action`, with the key in the Kubernetes Secret `secret`, into a StoreError."""
    with _explained(endpoint, action, by_code, _NO_API["S3"], {"secret": secret}):
        yield


def error_code(error: boto.ClientError) -> str:
    """Return the error code of an answer, such as NoSuchBucket."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _explained(endpoint: str, action: str, by_code: Mapping[str, Cause], no_api: Cause, words: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        cause, detail = _cause(error, by_code, no_api)
        if cause is None:
            raise
        text = cause.text.format(**words, endpoint=endpoint, detail=detail, kind=type(error).__name__)
        raise StoreError(f"{endpoint}: cannot {action}: {text}", code=cause.code, setting=cause.setting) from None


def _cause(error: Exception, by_code: Mapping[str, Cause], no_api: Cause) -> tuple[Cause | None, str]:
    if not isinstance(error, boto.ClientError):
        parsed = no_api if isinstance(error, ResponseParserError) else None
        return next((cause for name, cause in _BY_EXCEPTION.items() if isinstance(error, getattr(boto, name))), parsed), str(error)
    code, status = error_code(error), str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    if code not in by_code and code in {"", "Unknown", status}:
        return no_api, f"HTTP {status}"
    detail = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    return by_code.get(code, Cause("store.refused", f"it answers {status} {{detail}}")), detail
