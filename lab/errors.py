"""What can go wrong in the lab, told in two parts: what is wrong, and what to type."""


class LabError(Exception):
    """One problem, with the command or change that cures it, and the exit code of a command that ends with it."""

    def __init__(self, problem: str, cure: str, exit_code: int = 2) -> None:
        super().__init__(problem)
        self.problem, self.cure, self.exit_code = problem, cure, exit_code

    def __str__(self) -> str:
        return f"error: {self.problem}\n  cure: {self.cure}"
