"""report.json as one class: the gate writes it, `baseline`, `compare` and `calibrate` read it; its schema is docs/gate-report.schema.json.

A number that was not measured is null, never 0. A report of another version is refused by its number: it would be misread.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.judge.criteria import show
from validation.judge.errors import Outcome, UsageError
from validation.judge.judgement import Grade
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.reports import fingerprint
from validation.run.record import CheckRecord, Facts, Record

VERSION = 1
SCHEMA = "milvus-x10000/gate-report"


class Part(BaseModel):
    """One part of a report; keys that a later release added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Run(Part):
    """Which run it was, and when."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    started_at: str
    ended_at: str | None = None
    strict: bool = False


class Result(Part):
    """How it ended."""

    outcome: Outcome
    exit_code: int
    reason: str


class CheckResult(Part):
    """One question, and how far its answer got."""

    name: str
    question: str
    status: Literal["running", "done", "stopped"]
    seconds: float
    facts: Facts


class RunReport(Part):
    """What every report of a run holds: its form, what was asked with what and of whom, how it ended, and what is left."""

    schema_name: str = Field(alias="schema")
    schema_version: Literal[1]
    run: Run
    result: Result
    checks: list[CheckResult] = []
    inputs: Facts
    target: Facts = {}
    versions: dict[str, str] = {}
    left_behind: list[str] = []
    skipped: dict[str, str] = {}

    @classmethod
    def from_record(cls, record: Record, schema: str, **more: Any) -> Self:  # noqa: ANN401 - the fields of a subclass
        """Return the report of a run that has ended, however it ended."""
        ended_at = record.ended_at.isoformat(timespec="seconds") if record.ended_at else None
        started_at = record.started_at.isoformat(timespec="seconds")
        kept = ("inputs", "target", "versions", "left_behind", "skipped")
        common: Facts = {
            "schema": schema,
            "schema_version": VERSION,
            "run": Run(id=record.run_id, started_at=started_at, ended_at=ended_at, strict=record.strict),
            "result": Result(outcome=record.outcome, exit_code=record.exit_code, reason=record.reason),
            "checks": [asdict(check) | {"seconds": round(check.seconds, 3)} for check in record.checks],
        }
        return cls.model_validate(common | {name: getattr(record, name) for name in kept} | more)

    def as_data(self) -> Facts:
        """Return the report as plain data."""
        return self.model_dump(by_alias=True)


class Validity(Part):
    """Whether the run proves anything, and why not."""

    valid: bool
    faults: list[str] = []


class ObjectiveResult(Part):
    """One objective, what was measured, and its grade."""

    sli: str
    value: float | None
    unit: str
    limit: str
    warn: str | None
    baseline: float | None
    grade: Grade
    why: str
    weight: int
    key: bool
    basis: str
    reason: str


def at_most(name: str, value: float | None, unit: str, limit: float, *, grade: Grade | None = None, why: str = "") -> ObjectiveResult:
    """Return an objective that nobody weighs: None is not measured, and but for a `grade` no more than `limit` is good."""
    by_value = Grade.UNMEASURED if value is None else Grade.PASS if value <= limit else Grade.FAIL
    common: Any = {"warn": None, "baseline": None, "weight": 1, "key": True, "basis": "policy", "reason": ""}
    return ObjectiveResult(sli=name, value=value, unit=unit, limit=f"<= {limit:g}", grade=grade or by_value, why=why, **common)


class Number(Part):
    """One number of a report or a baseline."""

    value: float | None
    samples: int = Field(ge=0)
    interval: tuple[float, float] | None = None


class MeasuredNumber(Number):
    """A number with what it means."""

    unit: str
    meaning: str


class GateReport(RunReport):
    """The report of `./rag gate`."""

    schema_name: Literal["milvus-x10000/gate-report"] = Field(alias="schema")
    verdict: Outcome | None
    score: float | None
    validity: Validity
    objectives: list[ObjectiveResult]
    baseline: list[str]  # what was notes about the baseline: whether there is one, and what differs
    budget: list[Facts]
    measurements: dict[str, MeasuredNumber]
    images: list[dict[str, str]]
    fingerprint: fingerprint.Fingerprint

    @classmethod
    def from_run(cls, record: Record) -> "GateReport":
        """Return the report of a run of the gate."""
        judgement, objectives = record.judgement, []
        for each in judgement.judged if judgement else ():
            objective = each.objective
            given: Facts = objective.model_dump(include={"sli", "unit", "weight", "key", "basis", "reason"})
            given |= {"limit": show(objective.limit), "warn": show(objective.warn) if objective.warn else None}
            given |= {"value": each.measurement.value, "baseline": each.baseline, "grade": each.grade, "why": each.why}
            objectives.append(ObjectiveResult(**given))
        facts = {"inputs": record.inputs, "target": record.target, "versions": record.versions, "images": record.images}
        faults = list(judgement.faults) if judgement else [record.reason]
        measured = {
            name: MeasuredNumber(**asdict(number), unit=CATALOGUE[name].unit, meaning=CATALOGUE[name].meaning)
            for name, number in record.measurements.items()
        }
        return cls.from_record(
            record,
            SCHEMA,
            verdict=judgement.verdict if judgement else None,
            score=judgement.score if judgement else None,
            validity=Validity(valid=bool(judgement) and not faults, faults=faults),
            objectives=objectives,
            baseline=list(judgement.notes) if judgement else [],
            budget=budget(record.measurements),
            measurements=measured,
            images=record.images,
            fingerprint=fingerprint.fingerprint_of(facts),
        )

    @classmethod
    def from_rows(cls, record: Record, profile: str, rows: list[ObjectiveResult]) -> "GateReport":
        """Return the report of another kind of run as one of the gate, with its own objectives: so it has a page, a comment and JUnit."""
        report, proves = cls.from_run(record), not record.stopped and record.outcome is not Outcome.INVALID
        validity = Validity(valid=proves, faults=[] if proves else [record.reason])
        return report.model_copy(
            update={"objectives": rows, "validity": validity, "inputs": report.inputs | {"profile": {"profile": profile}}}
        )

    @property
    def profile(self) -> str:
        """Name of the profile that the run was judged by."""
        return str((self.inputs.get("profile") or {}).get("profile", ""))


def facts_of(checks: Iterable[CheckResult | CheckRecord], name: str) -> Facts:
    """Return the facts of a check; empty where it was not asked."""
    return next((check.facts for check in checks if check.name == name), {})


def usable(numbers: Mapping[str, Number]) -> Measurements:
    """Return the numbers whose names are known and that rest on enough samples."""
    known = ((name, Measurement(value=each.value, samples=each.samples, interval=each.interval)) for name, each in numbers.items())
    return {name: measurement for name, measurement in known if name in CATALOGUE and measurement.is_usable(CATALOGUE[name])}


def read(path: Path) -> GateReport:
    """Return the report at `path`, or in that directory; UsageError says what is wrong with it."""
    file = path / "report.json" if path.is_dir() else path
    refused, cure = f"{file}: is no report of {SCHEMA}", "name the report.json of a run"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise UsageError(f"{refused}; {cure}")
        if (version := data.get("schema_version")) != VERSION:
            raise UsageError.of("report.version", file=file, theirs=version, ours=VERSION)
        return GateReport.model_validate(data | {"fingerprint": fingerprint.fingerprint_of(data)})
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read as a report ({error}); {cure}, or its directory") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: {where}: {first['msg']}; expected a report of {SCHEMA}, version {VERSION}") from None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{refused} ({type(error).__name__}: {error}); {cure}") from None


def budget(measurements: Measurements) -> list[Facts]:
    """Return the stages of an answer in the order in which a user waits for them, with their shares; empty where one was not measured.

    Each is the median of its own measurement, so the whole is a sum of medians: good for saying which stage to look at, not a promise.
    With an index in memory the object store is not on this way; it is in `load_s`, `indexed_s` and `searchable_s`.
    """
    names = [f"{name}_p50_ms" for name in ("embedding", "search", "first_token", "answer")]
    medians = [measurements[name].value or 0.0 for name in names if name in measurements and measurements[name].is_usable(CATALOGUE[name])]
    if len(medians) < len(names):
        return []
    embed, search, first, whole = medians
    known = {"embed": embed, "search": search, "first token": first, "rest of the answer": max(whole - first, 0.0)}
    total = sum(known.values())
    return [{"name": name, "ms": ms, "share": ms / total} for name, ms in known.items()] if total else []


def budget_line(measurements: Measurements) -> str:
    """Return which stage spent the budget, on one line; empty when that is not known."""
    if not (stages := budget(measurements)):
        return ""
    most, total = max(stages, key=lambda stage: float(stage["share"])), sum(stage["ms"] for stage in stages)
    parts = ", ".join(f"{stage['name']} {stage['ms']:.3g} ms" for stage in stages)
    return f"an answer takes {total:.3g} ms at the median of each stage: {parts}; {most['share']:.0%} is {most['name']}"


def schema() -> str:
    """Return the JSON schema of report.json."""
    return json.dumps(GateReport.model_json_schema(by_alias=True), indent=2) + "\n"


def write(record: Record, path: Path, data: Facts | None = None) -> None:
    """Write the report of the gate, or other `data` about the record."""
    write_whole(path, render(record, data))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # /dev/null or /dev/stdout: a file in its place would break every program of the machine
        path.write_text(text, encoding="utf-8")
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def render(record: Record, data: Facts | None = None) -> str:
    """Return the report as JSON text, with every secret that the run held replaced."""
    content = GateReport.from_run(record).as_data() if data is None else data
    return record.hide(json.dumps(_finite(content), indent=2, ensure_ascii=False)) + "\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_schema() -> None:
    """Print the JSON schema of report.json.

    Example:
        ./rag report-schema > docs/gate-report.schema.json
    """
    print(schema(), end="")
