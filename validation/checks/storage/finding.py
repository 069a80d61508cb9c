"""What one question found: OK, WARN or FAIL, and for the last two what it would break and what cures it."""

from dataclasses import dataclass

from validation.judge.outcome import Outcome

_WORDS = {Outcome.PASS: "OK", Outcome.WARN: "WARN"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table."""

    name: str
    outcome: Outcome | None
    """None: not asked, and `seen` says why."""
    seen: str
    consequence: str = ""
    """What Milvus, or its operator, would suffer."""
    cure: str = ""
    """What to type or to change."""

    @property
    def word(self) -> str:
        """OK, WARN, FAIL, or a dash for what was not asked."""
        return "-" if self.outcome is None else _WORDS.get(self.outcome, "FAIL")

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        parts = (f"{self.name}: {self.seen}", self.consequence, f"Cure: {self.cure}" if self.cure else "")
        return ". ".join(" ".join(part.split()).rstrip(".") for part in parts if part)


class BlockedError(Exception):
    """Nothing after this can be asked; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding
