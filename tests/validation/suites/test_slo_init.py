"""`./rag slo init` and `./rag runs`: a starting SLO file that is right at once, and the list of what was run."""

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

from validation.__main__ import app
from validation.judge.slo_file import read_profile


def test_a_starting_slo_file_promises_what_the_folder_can_keep(corpus_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "my.yaml"
    ended = CliRunner().invoke(app, ["slo", "init", str(corpus_dir), "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    assert "has 2 documents: unless they make 100 chunks" in ended.stdout
    profile = read_profile(out)
    assert (profile.profile, profile.vectors.value, profile.ingesting) == ("my", 100, None)
    assert {"search_p95_ms", "recall_at_10", "search_error_share"} <= profile.objectives.keys()
    assert not [name for name in profile.objectives if name.startswith(("during_", "fact_", "filter_"))]
    assert "# left out: citation_share: rests on 20 questions" in out.read_text()
    again = CliRunner().invoke(app, ["slo", "init", str(corpus_dir), "--out", str(out)])
    assert (again.exit_code, "is there already" in again.output) == (2, True)


def test_runs_are_listed_with_kind_profile_outcome_and_label(tmp_path: Path) -> None:
    run = tmp_path / "20261101T000000Z"
    run.mkdir()
    inputs = {"profile": {"profile": "acme"}, "label": "before the upgrade"}
    (run / "report.json").write_text(json.dumps({"schema": "milvus-x10000/gate-report", "result": {"outcome": "PASS"}, "inputs": inputs}))
    (run / "rotation.json").write_text("{}")
    listed = CliRunner().invoke(app, ["runs", "--dir", str(tmp_path)]).stdout.splitlines()
    assert listed[0].split(maxsplit=4) == ["20261101T000000Z", "gate", "acme", "PASS", "before the upgrade"]
    assert listed[1].startswith("1 runs in ")
    assert json.loads(CliRunner().invoke(app, ["runs", "--dir", str(tmp_path), "--json"]).stdout)[0]["label"] == "before the upgrade"
    shutil.rmtree(run)
    assert CliRunner().invoke(app, ["runs", "--dir", str(tmp_path)]).exit_code == 0
