"""`./rag`: every command has help with an example, every wrong use is answered with its exit code, and docs name no other door."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cli import __main__ as door
from cli import tree
from cli.__main__ import _ELSEWHERE, run
from cli.tree import COMMANDS, GROUPS, STATUS
from lab import __main__ as lab_commands
from lab import project
from lab.places import REPOSITORY
from tests import pages

HAS_ENV = [name for name in COMMANDS if re.search(rf"Usage: \./rag {name} (\[OPTIONS\] )?ENV\b", tree.help_of(COMMANDS[name]))]
PAGES = [*sorted((REPOSITORY / "docs").rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "corpus" / "README.md"]


def rag(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher itself; never a command that changes this machine's lab, which other tests may be using."""
    assert not {"up", "down", "clean-cache"} & set(words)
    command = [str(REPOSITORY / "rag"), *words]
    return subprocess.run(
        command, env={**os.environ, **environment}, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_the_overview_has_every_command_fits_80_columns_and_costs_little() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = rag("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert shown.returncode == 0
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", shown.stdout, re.MULTILINE)] == []
    assert max(map(len, shown.stdout.splitlines())) < 80
    assert all(len(command.help) <= tree.WIDTH for command in COMMANDS.values())
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_an_exit_code_of_its_own(name: str) -> None:
    shown = tree.printed(COMMANDS[name])
    assert shown.startswith((f"Usage: ./rag {name}", f"usage: ./rag {name}"))
    assert f"./rag {name}" in shown.split("xample", 1)[1], shown
    assert "python -m" not in shown
    assert tree.help_of(COMMANDS[name]) == shown, "renew docs/commands.md with: make docs"


def test_the_page_of_commands_is_what_the_code_prints() -> None:
    assert tree.PAGE.read_text(encoding="utf-8") == pages.commands(), "renew it with: make docs"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("gat",), "there is no command 'gat'; did you mean 'gate"),
        (("xyzzy",), "there is no command 'xyzzy'; ./rag --help lists them"),
        (("needs",), "Missing argument 'ENV'; there are: dev, hybrid, lab, prod; see: ./rag needs --help"),
        (("needs", "lab", "--jsn"), "No such option: --jsn"),
        (("needs", "nope"), "there is no environment 'nope'"),
        (("needs", "lab", "more"), "Got unexpected extra argument"),
        (("render", "lab", "--json"), "--json: this command reports nothing as JSON; see: ./rag render --help"),
        (("completion", "tcsh"), "tcsh is no shell that is known: bash or zsh; see: ./rag completion --help"),
    ],
)
def test_wrong_use_exits_2_and_says_what_to_type(words: tuple[str, ...], answer: str) -> None:
    ended = rag(*words, KUBECONFIG="/nowhere")  # else the lab of this machine is asked for its shell, and it may be coming up
    assert ended.returncode == 2
    assert answer.replace("'gate", "gate") in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_an_option_that_a_command_of_the_lab_does_not_know_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab_commands, "main", lambda: pytest.fail("the lab was touched"))
    assert run(COMMANDS["down"], [], ["json"]) == 2
    assert "--json: this command reports nothing as JSON" in capsys.readouterr().err


@pytest.mark.parametrize("name", HAS_ENV)
def test_every_command_of_an_environment_refuses_none_and_an_unknown_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words, answer in (([], "'ENV'"), (["lab", "--no-such-option"], "--no-such-option")):
        assert run(COMMANDS[name], words) == 2
        printed = capsys.readouterr()
        assert answer in printed.err
        assert f"./rag {name} --help" in printed.err


def test_wrong_settings_are_told_before_what_is_slow_to_import() -> None:
    """A second of CPU each: Pulumi, the client of Kubernetes, Milvus's client."""
    look = "import sys; from cli.__main__ import main; sys.argv = ['rag', 'check', 'nope', '--pre']; code = main(); "
    slow = "print(code, [name for name in ('pulumi', 'pulumi_kubernetes', 'kubernetes', 'pymilvus', 'boto3') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", look + slow], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "2 []"


@pytest.mark.parametrize(
    ("words", "elsewhere", "entered"),
    [("values lab", "", True), ("drill undo lab", "", True), ("values prod", "", False), ("values lab", "/mine", False)],
)
def test_a_command_on_the_lab_has_what_a_shell_of_the_lab_has_unless_the_shell_names_another_cluster(
    monkeypatch: pytest.MonkeyPatch, words: str, elsewhere: str, entered: bool
) -> None:
    for name in _ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    if elsewhere:
        monkeypatch.setenv("KUBECONFIG", elsewhere)
    monkeypatch.setenv("GATE_VECTORS", "before")  # taken back after the test, whoever changed it
    monkeypatch.setattr(project, "shell", lambda: {"GATE_VECTORS": "of the lab"})
    monkeypatch.setattr(door, "run", lambda *_: int(os.environ["GATE_VECTORS"] == "of the lab"))
    monkeypatch.setattr(sys, "argv", ["./rag", *words.split()])
    assert door.main() == entered


def test_exit_codes_arrive() -> None:
    assert rag().returncode == 2
    assert rag("--version").returncode == 0
    assert rag("needs", "prod", "--quiet").returncode == 0
    assert rag("doctor", "lab", KUBECONFIG="/nowhere").returncode == 2
    assert rag("gate", "none.json", "--slo", "none.yaml", "--quiet", "--out", "build/door").returncode == 2


def test_status_with_an_environment_is_the_environments_and_without_one_the_labs() -> None:
    assert "of an environment of yours: ./rag status prod" in rag("status", "--help").stdout
    assert rag("status", "prod", "--help").stdout == tree.printed(STATUS) == tree.help_of(STATUS)
    ended = rag("status", "nope")
    assert (ended.returncode, "there is no environment 'nope'" in ended.stderr) == (2, True)


def test_the_page_of_settings_is_what_the_code_says_and_names_every_setting() -> None:
    page = pages.SETTINGS.read_text(encoding="utf-8")
    assert page == pages.settings(), "renew it with: make docs"
    assert {"| `object_store.iam_endpoint` | required", "| `milvus.etcd_cluster.storage_class` | none"} <= {
        " | ".join(line.split(" | ")[:2]) for line in page.splitlines()
    }


def test_completion_names_commands_and_environments() -> None:
    script = f'COMP_WORDS=({REPOSITORY}/rag g); COMP_CWORD=$1; _rag rag "$2"; echo "${{COMPREPLY[*]}}"'
    for position, begun, answer in (("1", "ga", "gate"), ("2", "pr", "prod")):
        command = ["bash", "-c", f'eval "$({REPOSITORY}/rag completion bash)"; {script}', "bash", position, begun]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == answer


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_other_door_and_no_command_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"python3? -m (?:stacks|validation|lab)\b.*|make (?:up|down|status|env|rollout|doctor|rotate)\b.*", text) == []
    assert set(re.findall(r"\./rag ([a-z][a-z-]*)", text)) <= COMMANDS.keys()


def test_messages_name_no_other_door() -> None:
    for room in ("stacks", "validation", "components", "policies", "lab"):
        for path in sorted(path for path in (REPOSITORY / room).rglob("*.py") if ".venv" not in path.parts):
            text = path.read_text(encoding="utf-8")
            assert not re.findall(r"(?<!prog_name=\")python3? -m (?:stacks|validation) [a-z].*|make [a-z-]+ ENV=.*", text), path
            assert set(re.findall(r"\./rag ([a-z][a-z-]*)", text)) <= COMMANDS.keys(), path


def test_groups_have_no_name_twice() -> None:
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
