"""The self-test on the lab: three defects, of Milvus, of a model and of the client, are planted and seen."""

import json
import sys
from pathlib import Path

import pytest

from lab.places import REPOSITORY
from tests.e2e.lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]  # a machine that others use misses the limits by itself


def test_three_planted_defects_are_seen_for_the_right_reason(lab: Lab, tmp_path: Path) -> None:
    target, out = tmp_path / "target.json", tmp_path / "selftest.json"
    target.write_text(json.dumps(lab.outputs()))
    chosen = ["dropped", "batch-order", "cites-all"]
    only = [part for name in chosen for part in ("--only", name)]
    slo = str(REPOSITORY / "validation" / "slo.lab.yaml")
    ended = lab.run(sys.executable, "-m", "validation", "selftest", str(target), "--slo", slo, "--out", str(out), *only)
    planted = {each["name"]: each for each in json.loads(out.read_text())["planted"]}
    assert {name: each["verdict"] for name, each in planted.items()} == dict.fromkeys(chosen, "seen"), ended.output
    assert "8 rows, where 10 were asked for" in planted["dropped"]["reason"]
    assert ended.code == 0, ended.output
