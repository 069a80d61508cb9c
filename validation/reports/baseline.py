"""The baseline: one run that passed, kept as a file for each profile, and what relative limits are compared with.

Only a valid run that passed becomes one, and only by hand: a gate that takes every run as the next baseline forgives a little more each
time. One exception is needed for the first: a run that only lacks a baseline may become it, since every other limit was kept.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.judgement import Grade, Reference, judge
from validation.judge.profile import Profile
from validation.reports.fingerprint import Fingerprint, differences
from validation.reports.model import GateReport, Number, usable, write_whole

DIRECTORY = Path("build") / "reports" / "baselines"
_SHOWN = 3
_SET = "./rag baseline set REPORT"


class Baseline(BaseModel):
    """One kept run."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_name: Literal["milvus-x10000/gate-baseline"] = Field(default="milvus-x10000/gate-baseline", alias="schema")
    schema_version: Literal[2] = 2
    run: str
    profile: str
    measured_at: str
    set_at: str
    fingerprint: Fingerprint
    measurements: dict[str, Number]
    report_sha256: str  # of the report that it was made of
    sha256: str = ""  # of everything else in here: a baseline that was edited by hand is refused

    def digest(self) -> str:
        """Return what `sha256` must be."""
        return _digest(self.model_dump(mode="json", exclude={"sha256"}))


class AlteredError(InvalidRunError):
    """A report or a baseline says something else than was measured."""

    code = "baseline.altered"


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def keep(report: GateReport, directory: Path) -> Path:
    """Make the report's run the baseline of its profile; InvalidRunError when it is not fit for that."""
    if not report.validity.valid:
        invalid = f"run {report.run.id} is not valid ({report.result.outcome})"
        raise InvalidRunError(f"{invalid}: it proves nothing, so nothing is compared with it")
    spoilt = {each.sli: each.grade for each in report.objectives if each.grade not in {Grade.PASS, Grade.UNCOMPARED}}
    if spoilt or not report.objectives:
        named = ", ".join(f"{sli} ({grade})" for sli, grade in spoilt.items()) or "nothing was promised"
        missed = f"run {report.run.id} did not pass ({named})"
        raise InvalidRunError(f"{missed}: later runs would be allowed to be as bad; choose one that passed")
    _refuse_altered(report)
    made = Baseline(
        run=report.run.id,
        profile=report.profile,
        measured_at=report.run.started_at,
        set_at=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=report.fingerprint,
        measurements={name: Number(**asdict(measurement)) for name, measurement in report.usable().items()},
        report_sha256=_digest(report.model_dump(mode="json")),
    )
    made = made.model_copy(update={"sha256": made.digest()})
    path = directory / f"{report.profile}.json"
    write_whole(path, made.model_dump_json(by_alias=True, indent=2) + "\n")
    return path


def _refuse_altered(report: GateReport) -> None:
    """Grade the numbers of the report again, and refuse it where it says something else."""
    profile = Profile.model_validate(report.inputs["profile"])
    values = {each.sli: each.baseline for each in report.objectives if each.baseline is not None}
    again = judge(profile, report.usable(), report.validity.faults, Reference(values=values, notes=()))
    graded = {each.objective.sli: (each.measurement.value, each.grade) for each in again.judged}
    reported = {each.sli: (each.value, each.grade) for each in report.objectives}
    if other := [sli for sli in graded | reported if graded.get(sli) != reported.get(sli)]:
        both = f"{other[0]} is {reported.get(other[0])}, its numbers give {graded.get(other[0])}"
        raise AlteredError(f"the report of run {report.run.id} was edited: {both}; take one as the gate wrote it")


def load(directory: Path, profile: str) -> Baseline | None:
    """Return the baseline of a profile; None where there is none, UsageError where a file is there but cannot be one."""
    path = directory / f"{profile}.json"
    if not path.exists():
        return None
    try:
        baseline = Baseline.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise UsageError(f"{path}: is no baseline ({reason}); remove it, or set one anew: {_SET}") from None
    if baseline.sha256 != baseline.digest():
        raise AlteredError(f"{path}: was edited since it was set, so it says nothing about run {baseline.run}; set it anew: {_SET}")
    if baseline.profile != profile:
        raise UsageError(f"{path}: is the baseline of profile {baseline.profile}, not of {profile}; set one anew: {_SET}")
    return baseline


def reference(baseline: Baseline | None, profile: str, now: Fingerprint) -> Reference:
    """Return what relative limits are compared with, and say so: none, another workload and another system never pass silently."""
    if baseline is None:
        return Reference(values={}, notes=(f"no baseline for profile {profile}: nothing is compared; once a run passed: {_SET}",))
    other = differences(baseline.fingerprint.workload, now.workload)
    if other:
        why = f"baseline {baseline.run} is of another workload ({_some(other)}): nothing is compared; measure one anew: {_SET}"
        return Reference(values={}, notes=(why,))
    changed = differences(baseline.fingerprint.system, now.system)
    system = f", which was another system: {_some(changed)}" if changed else ", the same system"
    values = {name: number.value for name, number in usable(baseline.measurements).items() if number.value is not None}
    return Reference(values=values, notes=(f"compared with baseline {baseline.run} of {baseline.measured_at}{system}",))


def _some(phrases: list[str]) -> str:
    more = len(phrases) - _SHOWN
    return "; ".join(phrases[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
