"""Reads a report.json again: what a later run is compared with must be whole, of a known version, and a report at all."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from validation.judge.errors import UsageError
from validation.judge.measures import CATALOGUE, Measurement, Measurements
from validation.judge.outcome import Outcome
from validation.judge.slo import Grade
from validation.reports import fingerprint
from validation.reports.json import SCHEMA, SCHEMA_VERSION


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Run(_Part):
    id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    started_at: str


class _Result(_Part):
    outcome: Outcome


class _Validity(_Part):
    valid: bool


class _Objective(_Part):
    sli: str
    grade: Grade


class Number(_Part):
    """One number of a report or a baseline."""

    value: float | None
    samples: int = Field(ge=0)
    interval: tuple[float, float] | None = None


class Report(_Part):
    """As much of a report as later runs need."""

    schema_name: Literal["milvus-x10000/gate-report"] = Field(alias="schema")
    schema_version: Literal[1]
    run: _Run
    result: _Result
    validity: _Validity
    objectives: list[_Objective]
    measurements: dict[str, Number]
    inputs: dict[str, Any]
    fingerprint: fingerprint.Fingerprint

    @property
    def profile(self) -> str:
        """Name of the profile that the run was judged by."""
        return str((self.inputs.get("profile") or {}).get("profile", ""))

    def usable(self) -> Measurements:
        """Return the numbers that rest on enough samples."""
        return usable(self.measurements)


def usable(numbers: dict[str, Number]) -> Measurements:
    """Return the numbers whose names are known and that rest on enough samples."""
    found = {
        name: Measurement(value=one.value, samples=one.samples, interval=one.interval) for name, one in numbers.items() if name in CATALOGUE
    }
    return {name: one for name, one in found.items() if one.is_usable(CATALOGUE[name])}


def read(path: Path) -> Report:
    """Return the report at `path`, or in that directory; UsageError says what is wrong with it."""
    file = path / "report.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Report.model_validate(data | {"fingerprint": fingerprint.of(data)})
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read as a report ({error}); name the report.json of a run, or its directory") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: {where}: {first['msg']}; expected a report of {SCHEMA}, version {SCHEMA_VERSION}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file}: is no report of {SCHEMA} ({type(error).__name__}: {error}); name the report.json of a run") from None
