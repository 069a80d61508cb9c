"""Each test is run by exactly one part of `make test` and `make proof`, whatever it is marked; each part is timed."""

import itertools
import re

import pytest
from _pytest.mark.expression import Expression

from lab.places import REPOSITORY
from tests.e2e import run
from tests.e2e.lab import Lab

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


def test_the_line_at_the_end_has_every_part_and_the_sum() -> None:
    parts = run.Parts({"static": 20.4, "up": 190.0})
    with parts.timed("up"):
        pass
    assert parts.line() == "took: static 20 s, up 190 s; all 3 min 30 s"


def test_a_check_that_fails_ends_the_command_and_the_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    commands, said = list[str](), list[str]()

    def fails(command: list[str], story: str | None = None) -> int:
        commands.append(" ".join([*command, story or ""]))
        return 3

    monkeypatch.setattr(run, "_code", fails)
    assert run.main("test", Lab(said.append, was_up=True)) == 3
    assert [command.split()[2] for command in commands] == ["static"]
    assert said == ["took: static 0 s; all 0 min 0 s"]


def test_the_parts_on_the_lab_read_the_files_with_such_tests_alone() -> None:
    files = run.files_on_the_lab()
    assert REPOSITORY / "tests" / "e2e" / "test_gate.py" in files
    assert REPOSITORY / "tests" / "stacks" / "test_settings.py" not in files
