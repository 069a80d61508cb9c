"""What a report must stand: a disk that is full, a run that dies anywhere, a narrow terminal, a pipe that closes, a million samples."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.conftest import LAB
from tests.validation.reports.reports import write_report
from validation.checks.context import GATE
from validation.judge.errors import InvalidRunError, Outcome
from validation.judge.measures import Measurements
from validation.judge.profile import Profile
from validation.load.histogram import Histogram
from validation.reports import export, model
from validation.run.record import Reporter
from validation.suites import runner

ROOT = LAB.parents[1]
FORMS = [name for name, _ in export.FORMS.values()]


class Heard(Reporter):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def order(tmp_path: Path, corpus_dir: Path) -> runner.Order:
    target = tmp_path / "target.json"
    target.write_text(json.dumps(OUTPUTS))
    return runner.Order(stack=str(target), slo=LAB, corpus=corpus_dir, out=tmp_path)


@pytest.mark.parametrize("dying", [check.name for check in GATE.ordered()])
def test_a_run_that_dies_at_any_check_leaves_every_form_of_its_report(
    order: runner.Order, tmp_path: Path, dying: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perform(name: str) -> Any:
        def performed(_run: Any, _facts: Any) -> None:
            if name == dying:
                raise InvalidRunError("the network went away")

        return performed

    for name, check in GATE.checks.items():
        monkeypatch.setitem(GATE.checks, name, replace(check, perform=perform(name), only_reading=False, skip=lambda *_: ""))
    record = runner.execute(order, Heard(), tmp_path / "report.json")
    assert (record.outcome, record.checks[-1].name, record.checks[-1].status) == (Outcome.INVALID, dying, "stopped")
    for form in FORMS:
        assert "the network went away" in (tmp_path / form).read_text(), form


def test_a_disk_that_is_full_takes_the_forms_and_not_the_verdict(
    order: runner.Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "write_whole", full)
    heard = Heard()
    record = runner.execute(replace(order, corpus=tmp_path / "nowhere"), heard, tmp_path / "report.json")
    assert record.outcome is Outcome.ERROR
    assert json.loads((tmp_path / "report.json").read_text())["result"]["outcome"] == "ERROR"
    assert [line for line in heard.lines if "No space left" in line and "./rag report" in line]


def test_a_disk_that_is_full_for_the_report_itself_exits_2(order: runner.Order, tmp_path: Path) -> None:
    (tmp_path / "report.json").symlink_to("/dev/full")
    ended = validation("run", order.stack, "--slo", LAB, "--corpus", tmp_path / "nowhere", "--out", tmp_path)
    assert (ended.returncode, "Traceback" in ended.stdout + ended.stderr) == (2, False)
    assert "No space left" in ended.stdout + ended.stderr


def validation(*arguments: Any, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "validation", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_a_run_that_is_killed_between_two_files_leaves_whole_ones_and_the_others_are_made_later(
    tmp_path: Path, profile: Profile, good: Measurements
) -> None:
    path = write_report(tmp_path, profile, good)
    script = (
        "import os, sys; from pathlib import Path; from validation.reports import export\n"
        "names = list(export.FORMS); name, _ = export.FORMS[names[1]]\n"
        "export.FORMS[names[1]] = name, lambda _: os.kill(os.getpid(), 9)\n"
        "export.write_beside(Path(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["report.json", FORMS[0]])
    assert (tmp_path / FORMS[0]).read_text().rstrip().endswith("</html>")
    export.write_beside(path)
    assert all((tmp_path / form).exists() for form in FORMS)


def test_a_pipe_that_closes_ends_the_command_without_a_traceback(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = write_report(tmp_path, profile, good)
    command = f"{sys.executable} -m validation report {path} --format html | head -c 10"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (len(ended.stdout), "Traceback" in ended.stderr) == (10, False), ended.stderr


def test_forty_columns_and_no_terminal_keep_every_number_and_the_last_line(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = write_report(tmp_path, profile, good)
    shown = validation("compare", path, path, COLUMNS="40", TERM="dumb")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "search_p95_ms" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("RESULT: SAME none of ")
    assert "\x1b" not in shown.stdout


def test_a_process_of_its_own_knows_every_measure(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = write_report(tmp_path, profile, good)
    kept = validation("baseline", "set", path, "--dir", tmp_path / "baselines")
    assert (kept.returncode, kept.stdout.startswith("RESULT: SET")) == (0, True), kept.stdout + kept.stderr
    compared = validation("compare", path, path).stdout
    assert "none of 0 numbers" not in compared
    assert {"search_p95_ms", "recall_at_10", "ndcg_at_10"} <= set(compared.split())
    assert "Search answered, counted from its planned send time" in validation("report", path).stdout


def test_a_folder_with_reports_of_other_versions_is_listed_and_each_is_refused_by_its_number(
    tmp_path: Path, profile: Profile, good: Measurements
) -> None:
    older = tmp_path / "20200101T000000Z"
    older.mkdir()
    path = write_report(older, profile, good)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 0, "objectives": "none"}))
    (tmp_path / "20200102T000000Z").mkdir()
    (tmp_path / "20200102T000000Z" / "report.json").write_text("{")
    listed = validation("runs", "--dir", tmp_path)
    assert (listed.returncode, "1 runs in" in listed.stdout) == (0, True), listed.stdout
    refused = validation("report", path)
    assert (refused.returncode, "version 0" in refused.stdout) == (2, True)


def test_a_page_of_trends_has_a_chart_for_each_judged_number_and_no_script(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    for number in (1, 2, 3):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        write_report(folder, profile, good, run_id=f"run{number}")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "report.json").write_text("{}")
    page = tmp_path / "trends.html"
    written = validation("runs", "--dir", tmp_path, "--html", page)
    assert (written.returncode, written.stdout) == (0, f"RESULT: WRITTEN {page} of 3 runs (exit 0)\n"), written.stderr
    text = page.read_text()
    assert text.count("<svg") == len(profile.objectives)
    assert not [mark for mark in ("<script", 'src="', "url(", "@import", 'href="http') if mark in text]
    assert len(text) < 1_000_000


def test_a_million_samples_make_a_page_no_larger_than_a_few(tmp_path: Path, profile: Profile, good: Measurements) -> None:
    path = write_report(tmp_path, profile, good)
    data = json.loads(path.read_text())
    encoded = Histogram([0.001 * (1 + number % 997) for number in range(1_000_000)]).encoded()
    data["checks"] = [{"name": "retrieval", "question": "?", "status": "done", "seconds": 1, "facts": {"latency_histogram": encoded}}]
    path.write_text(json.dumps(data))
    assert len(export.page(model.read(path))) < 1_000_000
