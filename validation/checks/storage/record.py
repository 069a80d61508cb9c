"""What a preflight found: OK, WARN or FAIL, for the last two what it would break and what cures it; and the verdict of all of it."""

from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from validation.judge.errors import Outcome
from validation.run.record import Facts, Record

_GRAVEST_FIRST = (Outcome.UNREACHABLE, Outcome.FAIL, Outcome.INVALID, Outcome.WARN)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table."""

    name: str
    outcome: Outcome | None  # None: not asked, and `seen` says why
    seen: str
    consequence: str = ""  # what Milvus, or its operator, would suffer
    cure: str = ""  # what to type or to change
    tried: str = "not tried"  # what a real Milvus did behind a store that is wrong in this way

    @property
    def word(self) -> str:
        """OK, WARN, FAIL, or a dash for what was not asked."""
        return {None: "-", Outcome.PASS: "OK", Outcome.WARN: "WARN"}.get(self.outcome, "FAIL")

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        parts = (f"{self.name}: {self.seen}", self.consequence, f"Cure: {self.cure}" if self.cure else "")
        return ". ".join(" ".join(part.split()).rstrip(".") for part in parts if part)


@cache
def _texts() -> dict[str, dict[str, str]]:
    """Read the table once there is a finding: the gate imports this too."""
    table: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("findings.yaml").read_text(encoding="utf-8"))
    return table


def describe(key: str, seen: str, outcome: Outcome = Outcome.FAIL, *, name: str = "", tried: str = "not tried", **words: Any) -> Finding:  # noqa: ANN401  what the texts name
    """Return a finding whose consequence and cure stand in findings.yaml under `key`: its name, or NAME.CASE where it has several."""
    breaks, cure = (str(_texts()[key][part]).format(**words) for part in ("breaks", "cure"))
    return Finding(name=name or key.partition(".")[0], outcome=outcome, seen=seen, consequence=breaks, cure=cure, tried=tried)


class BlockedError(Exception):
    """Nothing after this can be asked; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


@dataclass(kw_only=True)
class PreflightRecord(Record):
    """A record whose verdict is the gravest of its findings; without a finding nothing was proven."""

    findings: list[Finding] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)  # questions that an earlier failure kept from being asked
    performance: list[Facts] = field(default_factory=list)  # one row an operation, size and concurrency
    estimates: list[Facts] = field(default_factory=list)  # what the measured numbers mean for Milvus, each with its formula
    wal: Facts = field(default_factory=dict)  # how the store answers a conditional write, and the write-ahead log that fits

    def ok(self, name: str, seen: str) -> None:
        """Note what is as it should be."""
        self.findings.append(Finding(name=name, outcome=Outcome.PASS, seen=seen))

    def warn(self, key: str, seen: str, **words: Any) -> None:  # noqa: ANN401  as `describe` takes them
        """Note what Milvus survives."""
        self.findings.append(self.block(key, seen, Outcome.WARN, **words).finding)

    def warn_if(self, key: str, is_bad: object, seen: str, fine: str = "", **words: Any) -> None:  # noqa: ANN401  as above
        """Note what Milvus survives, or, where it is not so, what is `fine`: the same unless that says otherwise."""
        if is_bad:
            self.warn(key, seen, **words)
        else:
            self.ok(key.partition(".")[0], fine or seen)

    def fail(self, key: str, seen: str, **words: Any) -> None:  # noqa: ANN401  as above
        """Note what Milvus would not survive."""
        self.findings.append(self.block(key, seen, **words).finding)

    def skip(self, name: str, why: str) -> None:
        """Note what was not asked; counts neither way."""
        self.findings.append(Finding(name=name, outcome=None, seen=why))

    def block(self, key: str, seen: str, outcome: Outcome = Outcome.FAIL, **words: Any) -> BlockedError:  # noqa: ANN401  as above
        """Return what to raise where nothing else can be asked."""
        return BlockedError(describe(key, seen, outcome, **{**self.target, **words}))

    def conclusion(self) -> tuple[Outcome, str]:
        """Return the gravest outcome, and its first finding in full, or how many were fine."""
        outcomes = {finding.outcome for finding in self.findings}
        worst = next((each for each in _GRAVEST_FIRST if each in outcomes), Outcome.PASS if outcomes - {None} else Outcome.INVALID)
        grave = [finding for finding in self.findings if finding.outcome is worst]
        if not grave:
            return worst, "nothing was asked, so nothing is proven"
        if worst is Outcome.PASS:
            return worst, f"{len(grave)} of {len(grave)} findings are OK"
        others = f" (and {len(grave) - 1} more, see the table)" if len(grave) > 1 else ""
        return worst, f"{grave[0].sentence}{others}"

    def facts(self) -> Facts:
        """The part of the report that a gate's does not have."""
        rows = [{"grade": finding.word, **asdict(finding)} for finding in self.findings]
        return {"findings": rows} | {name: getattr(self, name) for name in ("not_asked", "wal", "performance", "estimates")}
