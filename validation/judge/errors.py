"""The six ways a run can end, each with its exit code, and the errors that end one before there is anything to judge.

    GateError
    |- UsageError          ERROR        exit 2   what was asked or configured cannot be right
    |- InvalidRunError     INVALID      exit 3   could not be measured, or not in a way that proves anything
    `- UnreachableError    UNREACHABLE  exit 4   a part of the target does not answer

Slow, broken and badly asked never share a code. A message says the value seen, what it would break, and what to type.
"""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Self

import yaml


class Outcome(StrEnum):
    """The word after `RESULT:`."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    WARN = "WARN"
    FAIL = "FAIL"
    INVALID = "INVALID"
    UNREACHABLE = "UNREACHABLE"
    ERROR = "ERROR"


_EXIT_CODES = {Outcome.PASS: 0, Outcome.WARN: 0, Outcome.FAIL: 1, Outcome.ERROR: 2, Outcome.INVALID: 3, Outcome.UNREACHABLE: 4}


def exit_code(outcome: Outcome, *, strict: bool) -> int:
    """Return the process exit code: 0 pass or warn (1 when `strict`), 1 fail, 2 error, 3 invalid, 4 unreachable."""
    return 1 if strict and outcome is Outcome.WARN else _EXIT_CODES[outcome]


@cache
def _messages() -> dict[str, str]:
    """Read the table once something is wrong."""
    return dict(yaml.safe_load((Path(__file__).parents[1] / "messages.yaml").read_text(encoding="utf-8")))


def text_of(row: str, /, **words: object) -> str:
    """Return a text of messages.yaml, where long ones are."""
    return _messages()[row].format(**words)


class GateError(Exception):
    """A reason, written for the operator, why no verdict can be given; a code where something depends on which it is."""

    outcome: Outcome
    code = ""

    def __init__(self, reason: str = "", code: str = "") -> None:
        super().__init__(reason)
        self.code = code or self.code

    @classmethod
    def of(cls, row: str, /, code: str = "", **words: object) -> Self:
        """Return the error in the words of `text_of`."""
        return cls(text_of(row, **words), code)


class UsageError(GateError):
    """The command line, a file or the target's declaration cannot be right."""

    outcome = Outcome.ERROR


class InvalidRunError(GateError):
    """Something answered, but what was measured would prove nothing."""

    outcome = Outcome.INVALID


class UnreachableError(GateError):
    """A part of the target does not answer."""

    outcome = Outcome.UNREACHABLE
