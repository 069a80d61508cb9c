"""What can go wrong in the lab, told in two parts: what is wrong, and what to type.

LabError            the step cannot be done; exit 2
  Interrupted       Ctrl-C or SIGTERM; what was finished stays, the next `./rag up` goes on; exit 130
"""

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


class LabError(Exception):
    """One problem, with the command or change that cures it."""

    exit_code = EXIT_FAILED

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem, self.cure = problem, cure

    def __str__(self) -> str:
        return f"error: {self.problem}\n  cure: {self.cure}"


class Interrupted(LabError):  # noqa: N818  named for what happened
    """The operator ended the command."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self) -> None:
        super().__init__(
            "interrupted: finished steps stay, nothing is half-written", "`./rag up` goes on from here; `./rag down` removes the lab"
        )
