"""How a run ends before there is anything to judge.

    GateError
    |- UsageError          ERROR        exit 2   what was asked or configured cannot be right
    |- InvalidRunError     INVALID      exit 3   could not be measured, or not in a way that proves anything
    `- UnreachableError    UNREACHABLE  exit 4   a part of the target does not answer

A message says the value seen, what it would break, and what to type.
"""

from validation.judge.outcome import Outcome


class GateError(Exception):
    """A reason, written for the operator, why no verdict can be given; a code where something depends on which it is."""

    outcome: Outcome
    code = ""

    def __init__(self, reason: str = "", code: str = "") -> None:
        super().__init__(reason)
        self.code = code or self.code


class UsageError(GateError):
    """The command line, a file or the target's declaration cannot be right."""

    outcome = Outcome.ERROR


class InvalidRunError(GateError):
    """Something answered, but what was measured would prove nothing."""

    outcome = Outcome.INVALID


class UnreachableError(GateError):
    """A part of the target does not answer."""

    outcome = Outcome.UNREACHABLE
