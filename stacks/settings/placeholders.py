"""Placeholders that are left from the examples: addresses that belong to nobody, and a certificate that trusts nothing."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stacks.problems import Path as Keys
from stacks.problems import Problem, WrongValueError, set_command, shown_as
from stacks.settings.group import parsed

_RESERVED = re.compile(r"(?<![-a-z0-9])example\.(net|com|org)(?![-.a-z0-9])|\.example(?=[:/\]\s]|$)", re.IGNORECASE)
"""Names that RFC 2606 sets aside for documents."""
_CA = Path(__file__).parent.parent / "example-ca.crt"


def find(value: Any, path: Keys = ()) -> Iterator[Problem]:  # noqa: ANN401  plain data of any shape
    """Every placeholder in settings, as plain data by name; lists and groups may be texts of JSON, as Pulumi stores them."""
    value = _inner(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _RESERVED.search(str(key)):
                cure = "rename this key, in the file and line above, to an address of yours"
                yield _problem((*path, str(key)), str(key), "is an address of an example", cure)
            yield from find(item, (*path, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from find(item, (*path, str(number)))
    elif isinstance(value, str) and _RESERVED.search(value):
        yield _problem(path, value, "is an address of an example", set_command(path, "yours"))
    elif isinstance(value, str) and path[-1].endswith("ca_file") and _is_example(value):
        yield _problem(path, value, "is the certificate of the examples, which trusts nothing", set_command(path, "FILE"))


def _inner(value: Any) -> Any:  # noqa: ANN401  as above
    try:
        return parsed(value) if isinstance(value, str) and value.startswith(("{", "[")) else value
    except WrongValueError:
        return value


def _is_example(name: str) -> bool:
    try:
        return Path(name).expanduser().read_bytes() == _CA.read_bytes()
    except OSError:
        return False  # refused as no file at all


def _problem(path: Keys, value: str, wrong: str, cure: str) -> Problem:
    breaks = "there is nothing behind it"
    return Problem(code="settings.placeholder", path=path, value=shown_as(value), wrong=wrong, breaks=breaks, cure=cure)
