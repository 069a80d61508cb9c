"""Each test is run by exactly one part of `make test` and `make proof`, whatever it is marked; each part is timed."""

import itertools
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from lab import process_tree
from lab.places import REPOSITORY
from tests.e2e import lab as e2e_lab
from tests.e2e import run
from tests.e2e.lab import Ended, Lab

MARKS = ("e2e", "proof", "alone", "quiet", "last")
UNIT = re.search(r"^unit:\n.* -m \"([^\"]+)\"", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


def expressions() -> dict[str, str]:
    """Return what each part selects."""
    assert UNIT is not None
    return {"unit": UNIT[1], **{f"{command} {name}": chosen for command, parts in run.SELECTED.items() for name, chosen in parts.items()}}


def selecting(marks: tuple[str, ...]) -> list[str]:
    def marked(name: str, /, **_: str | int | bool | None) -> bool:
        return name in marks

    return [part for part, chosen in expressions().items() if Expression.compile(chosen).evaluate(marked)]


@pytest.mark.parametrize(
    "marks", [tuple(itertools.compress(MARKS, chosen)) for chosen in itertools.product((0, 1), repeat=len(MARKS))], ids=str
)
def test_a_test_is_run_by_exactly_one_part_whatever_its_marks(marks: tuple[str, ...]) -> None:
    parts = selecting(marks)
    assert len(parts) == 1
    assert ("e2e" in marks) == (parts != ["unit"])
    assert ("proof" in marks and "e2e" in marks) == parts[0].startswith("proof ")


def test_every_part_is_run_by_its_command() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for command in run.SELECTED:
        assert re.search(rf"^{command}:.*\n(\t.*\n)*\t.*-m tests.e2e.run {command}$", makefile, re.MULTILINE), command
    assert run.CHECKS == ("static", "unit")


def test_the_end_has_every_part_and_the_sum() -> None:
    parts = run.Parts({"static": 20.4, "up": 190.0})
    with parts.timed("up"):
        pass
    assert parts.summary() == "took: static 20 s, up 190 s; all 3 min 30 s"


def test_the_end_has_each_test_that_failed_or_broke_with_its_errors_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = """
import pytest
@pytest.fixture
def down(): raise RuntimeError("no lab")
def test_fine(): pass
def test_wrong(): assert 1 == 2, "counts differ\\nin full"
def test_not_begun(down): pass
"""
    (tmp_path / "test_it.py").write_text(broken)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path / "test_it.py"))
    parts = run.Parts()
    assert parts.run("beside", [*pytest_, f"--junitxml={run.results('beside')}"]) == 1
    assert parts.run("quiet", ["sh", "-c", "exit 3"]) == 3
    assert parts.summary().splitlines()[:-1] == [
        "FAILED beside: test_it::test_wrong: AssertionError: counts differ",
        'FAILED beside: test_it::test_not_begun: failed on setup with "RuntimeError: no lab"',
        "FAILED quiet: ended with 3",
    ]


class FakeLab(Lab):
    """One that keeps what was done, in order."""

    def __init__(self, done: list[str], *, was_up: bool = False) -> None:
        super().__init__(lambda said: done.append(re.sub(r"\d+ (s|min)", r"N \1", said)), was_up=was_up)
        self.done = done

    def begin(self) -> None:
        self.done.append("begin")

    def wait_until_begun(self) -> None:
        self.done.append("begun")

    def bring_up(self, *, stopped_before: bool) -> None:
        self.done.append("stopped, and up" if stopped_before else "up")

    def take_down(self) -> Ended:
        self.done.append("down")
        return Ended(0, "")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[str]]]:
    """Run a command in which nothing is really done, and return its exit code and what was done."""

    def run_it(command: str, codes: Mapping[str, int], *, was_up: bool = False) -> tuple[int, list[str]]:
        done = list[str]()

        def code(words: list[str], story: Path | None) -> int:
            name = words[words.index("make") + 2] if "make" in words else words[words.index("-m", 2) + 1]
            selected = {chosen: part for part, chosen in run.SELECTED[command].items()}
            done.append(selected.get(name, name))
            assert (story is None) == ("make" in words)
            return codes.get(done[-1], 0)

        monkeypatch.setattr(run, "_code", code)
        monkeypatch.setattr(Lab, "tell", lambda _, __: None)
        return run.main(command, FakeLab(done, was_up=was_up)), done

    return run_it


ENDED = Callable[..., tuple[int, list[str]]]


def test_the_lab_comes_up_beside_the_unit_tests_and_its_gate_waits_for_their_end(ended: ENDED) -> None:
    code, done = ended("test", {})
    assert (code, done[:-1]) == (0, ["static", "begin", "unit", "begun", "up", "beside", "quiet", "alone", "down"])
    parts = "static N s, unit N s, lab N s, up N s, beside N s, quiet N s, alone N s, down N s"
    assert done[-1] == f"took: {parts}; all N min N s"


def test_a_lab_that_is_up_stays_up(ended: ENDED) -> None:
    assert ended("test", {}, was_up=True)[1][:-1] == ["static", "begin", "unit", "beside", "quiet", "alone"]
    Lab(print, was_up=True).begin()


def test_a_proof_begins_with_two_that_are_stopped_and_has_no_checks(ended: ENDED) -> None:
    assert ended("proof", {})[1][:-1] == ["stopped, and up", "beside", "alone", "down"]


@pytest.mark.parametrize(
    ("fails", "done"),
    [("static", ["static", "down"]), ("unit", ["static", "begin", "unit", "down"])],
)
def test_a_check_that_fails_ends_the_command_and_the_time_is_said(fails: str, done: list[str], ended: ENDED) -> None:
    code, seen = ended("test", {fails: 3})
    assert (code, seen[:-1]) == (3, done)
    assert "\ntook: static N s, " in f"\n{seen[-1]}"
    assert seen[-1].startswith(f"FAILED {fails}: ended with 3\n")


def test_a_part_on_the_lab_that_fails_leaves_the_others_their_turn(ended: ENDED) -> None:
    for killed_or_failed in (-9, 1):
        code, done = ended("test", {"beside": killed_or_failed})
        assert (code, done[-5:-1]) == (1, ["beside", "quiet", "alone", "down"])


def test_what_has_begun_is_ended_before_the_lab_is_taken_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = (
        "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    print('ended', flush=True)"
    )
    monkeypatch.setattr(e2e_lab, "BEGIN", (sys.executable, "-c", sleeper))
    monkeypatch.setattr(e2e_lab, "LOGS", tmp_path)
    monkeypatch.setattr(e2e_lab, "run", lambda _: Ended(0, "taken down"))
    lab = Lab(print, was_up=False)
    lab.begin()
    assert lab.beginning is not None
    process_tree.wait_for(lambda: lab.beginning and "begun" in lab.beginning.log.read_text(), 60, "it did not begin", "")
    assert lab.take_down().output == "taken down"
    assert lab.beginning.process.poll() == 0
    assert lab.beginning.log.read_text() == "begun\nended\n"


def test_how_the_first_up_ended_is_told_to_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(e2e_lab, "BEGIN", (sys.executable, "-c", "print('come up'); raise SystemExit(3)"))
    monkeypatch.setattr(e2e_lab, "LOGS", tmp_path)
    monkeypatch.setattr(process_tree, "running", lambda: {"pid": 7})
    lab = Lab(print, was_up=False)
    lab.begin()
    lab.wait_until_begun()
    lab.tell(tmp_path / "story.json")
    told = Lab.told(print, tmp_path / "story.json")
    assert (told.begun, told.tree, told.was_up) == (Ended(3, "come up\n"), {"pid": 7}, False)
    Lab(print, was_up=True).tell(tmp_path / "story.json")
    assert Lab.told(print, tmp_path / "story.json").was_up


def test_the_parts_on_the_lab_read_the_files_with_such_tests_alone() -> None:
    files = run.files_on_the_lab()
    assert REPOSITORY / "tests" / "e2e" / "test_gate.py" in files
    assert REPOSITORY / "tests" / "stacks" / "test_settings.py" not in files
