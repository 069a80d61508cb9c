"""A short soak on the lab's own stack: too short to say what grows, long enough to lose nothing and to leave nothing."""

import json
from pathlib import Path

import pytest

from tests.e2e.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]


@pytest.mark.timeout(900)
def test_a_short_soak_with_a_fault_loses_nothing_and_watches_every_part(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    words = ["--hours", "0.05", "--faults", "kill-milvus,burst", "--rate", "25", "--out", str(out)]
    done = lab.run("./rag", "soak", "lab", *words)
    report = json.loads(out.read_text())
    assert done.code == report["result"]["exit_code"], done.output
    assert done.code in {0, 1, 3}, done.output
    assert report["lost"] == report["altered"] == report["left_behind"] == [], done.output
    assert report["acknowledged"] > 1_000
    assert "kill-milvus" in {fault["name"] for fault in report["faults"]}
    parts = {f"{part}_{what}" for part in ("milvus", "embedding", "soak") for what in ("memory_mib", "descriptors")}
    assert parts | {"bucket_objects", "bucket_mib"} == set(report["series"]), report["skipped"]
    assert len(report["series"]["milvus_memory_mib"]) == 2, "another life begins where the pod was killed"
    assert all(value > 50 for lifetime in report["series"]["milvus_memory_mib"] for _, value in lifetime[1:])
    assert {"soak.json", "report.html", "report.md", "junit.xml"} <= {path.name for path in tmp_path.iterdir()}
    assert "_soak" not in lab.run("./rag", "collections", "lab").output
