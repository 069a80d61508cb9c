"""Writes reports as a run would, without a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from validation.judge.judgement import judge
from validation.judge.measures import Measurements
from validation.judge.profile import Profile
from validation.reports import model
from validation.run.record import Record

_IMAGES = [{"pod": "milvus-0", "container": "milvus", "image": "m:1", "digest": "sha256:a"}]


def write_report(directory: Path, profile: Profile, measurements: Measurements, **changes: Any) -> Path:
    """Write the report of a run that measured just this; `changes` are of its inputs, target, versions or images."""
    data = profile.model_dump(mode="json")
    data["rate"]["value"] = changes.get("rate", data["rate"]["value"])
    searching = data["search"]["index"]["search_params"]
    searching["ef"] = changes.get("ef", searching["ef"])
    record = Record(run_id=changes.get("run_id", "base"), strict=False, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    record.inputs = {"profile": data, "corpus_sha256": changes.get("corpus_sha256", "c"), "seed": changes.get("seed", 7)}
    record.target = {"embedding_model": changes.get("embedding_model", "m"), "embedding_dimension": 384, "llm_model": "l"}
    record.versions = {"milvus server": changes.get("milvus", "2.3.5")}
    record.images = changes.get("images", _IMAGES)
    record.measurements = measurements
    record.judgement = judge(profile, measurements)
    path = directory / "report.json"
    model.write(record, path)
    return path
