"""The six ways a run can end, and the exit code of each: slow, broken and badly asked never share one."""

from enum import StrEnum


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
