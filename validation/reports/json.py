"""Writes a report as JSON: whole or not at all, without a secret, and with null for what is not a number."""

import json
import math
import os
from pathlib import Path
from typing import Any

from validation.reports.model import Facts, GateReport
from validation.run.record import Record


def write(record: Record, path: Path, data: Facts | None = None) -> None:
    """Write the report of the gate, or other `data` about the record."""
    write_whole(path, render(record, data))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
