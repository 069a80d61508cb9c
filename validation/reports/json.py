"""report.json: everything that was measured, with units, and what it was measured with; versioned, written whole or not at all."""

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from validation.judge.criteria import show
from validation.judge.measures import CATALOGUE
from validation.judge.slo import Judged
from validation.reports import budget, fingerprint
from validation.run.record import CheckRecord, Record

SCHEMA = "milvus-x10000/gate-report"
SCHEMA_VERSION = 1


def write(record: Record, path: Path, data: dict[str, Any] | None = None) -> None:
    """Write the report, or other `data` about the record; a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(render(record, data), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def render(record: Record, data: dict[str, Any] | None = None) -> str:
    """Return the report as JSON text, with every secret that the run held replaced."""
    content = as_data(record) if data is None else data
    return record.hide(json.dumps(_finite(content), indent=2, ensure_ascii=False)) + "\n"


def as_data(record: Record) -> dict[str, Any]:
    """Return the report as plain data."""
    data = _as_data(record)
    return data | {"fingerprint": fingerprint.of(data).model_dump()}


def _as_data(record: Record) -> dict[str, Any]:
    judgement = record.judgement
    return {
        **head(record, SCHEMA),
        "verdict": judgement.verdict if judgement else None,
        "score": judgement.score if judgement else None,
        "validity": {"valid": bool(judgement) and not judgement.faults if judgement else False, "faults": _faults(record)},
        "objectives": [_objective(one) for one in judgement.judged] if judgement else [],
        "baseline": list(judgement.said) if judgement else [],
        "budget": [asdict(stage) for stage in budget.stages(record.measurements)],
        "measurements": {
            name: {
                "value": found.value,
                "unit": CATALOGUE[name].unit,
                "samples": found.samples,
                "interval": list(found.interval) if found.interval else None,
                "meaning": CATALOGUE[name].meaning,
            }
            for name, found in record.measurements.items()
        },
        "images": record.images,
        **tail(record),
    }


def head(record: Record, schema: str) -> dict[str, Any]:
    """Return how any report begins: its form, when, and how it ended."""
    return {
        "schema": schema,
        "schema_version": SCHEMA_VERSION,
        "run": {
            "id": record.run_id,
            "started_at": record.started_at.isoformat(timespec="seconds"),
            "ended_at": record.ended_at.isoformat(timespec="seconds") if record.ended_at else None,
            "strict": record.strict,
        },
        "result": {"outcome": record.outcome, "exit_code": record.exit_code, "reason": record.reason},
    }


def tail(record: Record) -> dict[str, Any]:
    """Return how any report ends: what was asked, with what, of whom, and what is left."""
    return {
        "checks": [_check(check) for check in record.checks],
        "inputs": record.inputs,
        "target": record.target,
        "versions": record.versions,
        "left_behind": record.left_behind,
        "skipped": record.skipped,
    }


def _faults(record: Record) -> list[str]:
    return list(record.judgement.faults) if record.judgement else [record.reason]


def _objective(one: Judged) -> dict[str, Any]:
    return {
        "sli": one.objective.sli,
        "value": one.measurement.value,
        "unit": one.objective.unit,
        "limit": show(one.objective.limit),
        "warn": show(one.objective.warn) if one.objective.warn else None,
        "baseline": one.baseline,
        "grade": one.grade,
        "why": one.why,
        "weight": one.objective.weight,
        "key": one.objective.key,
        "basis": one.objective.basis,
        "reason": one.objective.reason,
    }


def _check(check: CheckRecord) -> dict[str, Any]:
    return {
        "name": check.name,
        "question": check.question,
        "status": check.status,
        "seconds": round(check.seconds, 3),
        "facts": check.facts,
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
