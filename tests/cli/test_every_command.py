"""All commands in one table: each has an error with exit code 2 for every wrong use, and `--json` on standard output where it reports."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import tree
from cli.__main__ import run
from cli.tree import COMMANDS, STATUS
from lab import status as lab_status
from lab.diagnosis import Facts
from lab.places import REPOSITORY
from tests.validation.clients.test_target import OUTPUTS

ALL = {**COMMANDS, STATUS.name: STATUS}
HELP = {name: tree.help_of(command) for name, command in ALL.items()}
USAGE = {name: text.splitlines()[0].partition("]")[2] if "[OPTIONS]" in text.splitlines()[0] else "" for name, text in HELP.items()}
HAS_JSON = {name for name, text in HELP.items() if re.search(r"^  --json\b", text, re.MULTILINE)}
ROOM = {name: command.room for name, command in ALL.items()}
OURS = [name for name in ALL if ROOM[name] in {"stacks", "validation"}]
ENV = [name for name in OURS if re.search(r"\bENV\b", USAGE[name]) and name != "store"]
NO_ARGUMENT = [name for name in OURS if not USAGE[name].strip()]
GROUPS = {"slo", "baseline"}
ENDLESS = {"ingest", "during", "calibrate"}
"""Take any number of words, or a word more."""


def code_and_text(name: str, words: list[str], capsys: pytest.CaptureFixture[str], *shared: str) -> tuple[int, str, str]:
    code = run(ALL[name], words, shared)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_every_command_is_in_one_row_of_this_table() -> None:
    assert set(ENV) | set(NO_ARGUMENT) | GROUPS | {"init", "store", "read", "report", "compare", "calibrate"} == set(OURS)
    assert {*OFFLINE, *REPORTS, *ASKS_THE_CLUSTER, "status", "backup"} == HAS_JSON


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_option_exits_2_and_names_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = code_and_text(name, ["--no-such-option"], capsys)
    assert (code, out) == (2, "")
    assert "--no-such-option" in err
    assert f"./rag {name.partition(' ')[0]} --help" in err


@pytest.mark.parametrize("name", [*ENV, "init", "read", "report", "compare", "calibrate"])
def test_a_missing_argument_exits_2_and_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = code_and_text(name, [], capsys)
    assert (code, out) == (2, "")
    assert "Missing argument" in err


@pytest.mark.parametrize("name", [name for name in ALL if ROOM[name] in {"lab", "cli"}])
def test_a_word_more_for_a_command_of_the_lab_or_of_the_door_exits_2_and_nothing_is_begun(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = code_and_text(name, ["one-more", "and-another"], capsys)
    assert (code, out) == (2, "")
    assert "one-more" in err
    assert f"./rag {name} --help" in err


WORDS = {
    "ask": ["q", "--collection", "c"],
    "original": ["s3://b/k?versionId=1#sha256=" + "0" * 64],
    "during": ["--", "true"],
    "ingest": ["--collection", "c", "."],
}


WORDS |= {"restore": ["--all"], "drill": ["lab"], "soak": ["--hours", "1"]}
WRITES = {"gate", "during", "sweep", "ingest", "backup", "restore", "soak"}


@pytest.mark.parametrize("name", ENV)
def test_an_unknown_env_exits_2_and_is_named(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    out_folder = ["--out", str(tmp_path / "out")] if "--out " in HELP[name] and name in WRITES else []
    code, out, err = code_and_text(name, [*out_folder, "nope", *WORDS.get(name, [])], capsys)
    assert code == 2
    assert "nope" in out + err


@pytest.mark.parametrize("name", [*(name for name in [*ENV, *NO_ARGUMENT, "read", "report", "compare"] if name not in ENDLESS)])
def test_an_argument_more_exits_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"compare": ["a", "b"], "read": ["a"], "report": ["a"], "init": ["a"], "drill": ["kill-milvus"]}.get(
        name, ["lab"] if name in ENV else []
    )
    code, out, err = code_and_text(name, [*arguments, *WORDS.get(name, []), "one-more"], capsys)
    assert (code, out) == (2, "")
    assert "one-more" in err


@pytest.mark.parametrize("name", sorted(set(OURS) - HAS_JSON - {"slo"}))
def test_json_is_refused_by_a_command_that_reports_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = code_and_text(name, ["lab"], capsys, "json")
    assert (code, out, "--json: this command reports nothing as JSON" in err) == (2, "", True)


OFFLINE: dict[str, list[str]] = {
    **{name: ["prod"] for name in ("needs", "images", "policies")},
    "checks": [],
    "runs": ["--dir", "FOLDER"],
    "baseline": ["show", "--dir", "FOLDER/none"],
    "read": ["FOLDER/note.md"],
}
REPORTS: dict[str, list[str]] = {
    "gate": ["TARGET"],
    "sweep": ["TARGET"],
    "during": ["TARGET", "--", "true"],
    "ingest": ["TARGET", "FOLDER", "--collection", "c"],
    "store": ["--endpoint", "https://127.0.0.1:1", "--bucket", "b", "--credential-dir", "FOLDER"],
}
"""A report is written however the run ends: here, without a cluster or a store."""
ASKS_THE_CLUSTER: dict[str, list[str]] = {
    **{name: ["prod"] for name in ("check", "status ENV", "doctor", "gpus", "preview")},
    "collections": ["TARGET"],
    "ask": ["TARGET", "Who?", "--collection", "c"],
    "compare": ["FOLDER", "FOLDER"],
}
"""Their JSON is shown by the tests of their own; here, that an error leaves standard output empty."""


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], list[str]]:
    """Return words with the places of this test in them, where no cluster is to be had."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)
    (tmp_path / "note.md").write_text("# A note\n\nThe pump lifts 40 litres.\n")
    (tmp_path / "access_key").write_text("AKIDEXAMPLE")
    (tmp_path / "secret_key").write_text("very-secret")
    (tmp_path / "target.json").write_text(json.dumps(OUTPUTS))
    places = {"FOLDER": str(tmp_path), "TARGET": str(tmp_path / "target.json")}
    return lambda words: [re.sub("FOLDER|TARGET", lambda name: places[name[0]], word) for word in words]


@pytest.mark.parametrize("name", OFFLINE)
def test_json_on_standard_output(name: str, typed: Callable[[list[str]], list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = code_and_text(name, typed(OFFLINE[name]), capsys, "json")
    assert code == 0
    assert isinstance(json.loads(out.splitlines()[0] if name == "read" else out), list | dict)  # `read` prints one object a line


@pytest.mark.parametrize("name", REPORTS)
def test_a_run_with_json_prints_its_report_and_says_the_rest_on_standard_error(
    name: str, typed: Callable[[list[str]], list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out_path = tmp_path / ("out.json" if name in {"sweep", "during"} else "out")
    slo = [] if name == "store" else ["--slo", str(REPOSITORY / "validation" / "slo.lab.yaml")]
    code, out, err = code_and_text(name, ["--out", str(out_path), *slo, *typed(REPORTS[name])], capsys, "json")
    assert code in {2, 4}, err
    assert json.loads(out)["result"]
    assert "RESULT: " in err


@pytest.mark.parametrize("name", ASKS_THE_CLUSTER)
def test_an_error_with_json_leaves_standard_output_empty(
    name: str, typed: Callable[[list[str]], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = code_and_text(name, typed(ASKS_THE_CLUSTER[name]), capsys, "json")
    assert code == 2
    assert json.loads(out)["error"] if name == "ask" else out == ""  # an answer that broke off has a part of it, and why
    assert err.strip()


def test_the_labs_status_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(lab_status, "look", Facts)
    assert lab_status.status(as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["problems"]
