"""Every wrong setting is refused by the command itself, with code, key, value, file and line, and never with a traceback."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.__main__ import main
from stacks.problems import Problem, SettingsError
from tests.stacks.wrong import FILES, LINES, SECRET, WRONG, Wrong

PROD = Path("stacks/Pulumi.prod.yaml")
Refusal = Callable[[bytes | str], tuple[list[Problem], str]]


def changed(key: str, value: Any) -> str:
    """Return prod's file with one setting of it changed."""
    whole = yaml.safe_load(PROD.read_text(encoding="utf-8"))
    first, *rest = key.split(".")
    place, last = whole["config"], f"milvus-x10000:{first}"
    for part in rest:
        place, last = place.setdefault(last, {}), part
    place[last] = value
    return str(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False))


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Return what `./rag values prod` says of a file; it must end with 2 and print no values."""

    def refuse(text: bytes | str) -> tuple[list[Problem], str]:
        file = tmp_path / "Pulumi.prod.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(file))
        monkeypatch.setenv("PULUMI_STACK", "prod")
        monkeypatch.setattr(sys, "argv", ["stacks", "values", "prod"])
        with pytest.raises(SystemExit) as ended:
            main()
        printed, said = capsys.readouterr()
        assert (ended.value.code, printed) == (2, "")
        assert "Traceback" not in said
        assert SECRET not in said
        assert isinstance(ended.value.__context__, SettingsError)
        return list(ended.value.__context__.problems), said

    return refuse


def name_of(row: Wrong) -> str:
    return f"{row.key}={row.value!r}"[:60]


def shown(row: Wrong) -> str:
    default = "" if isinstance(row.value, dict | list) else str(row.value)
    return row.shows if row.shows is not None else default


@pytest.mark.parametrize("row", [pytest.param(row, id=name_of(row)) for row in WRONG])
def test_a_wrong_setting_is_refused_with_code_key_value_and_line(row: Wrong, refusal: Refusal) -> None:
    text = changed(row.key, row.value)
    problems, said = refusal(text)
    key = f"milvus-x10000:{row.at or row.key}"
    assert [(each.code, each.key) for each in problems] == [(row.code, key)]
    (problem,) = problems
    assert shown(row) in problem.value + problem.wrong
    assert problem.line is not None
    assert f"Pulumi.prod.yaml:{problem.line}: {key}" in said
    line = text.splitlines()[problem.line - 1]
    assert re.findall(r'[^."\[\]]+', row.at or row.key)[-1] in line or shown(row) in line or row.code == "settings.unused"
    assert problem.cure


@pytest.mark.parametrize(("text", "code", "line"), [pytest.param(*row[1:], id=row[0]) for row in FILES])
def test_a_file_that_cannot_be_read_is_named_with_the_line(text: bytes, code: str, line: int | None, refusal: Refusal) -> None:
    problems, said = refusal(text)
    assert [each.code for each in problems] == [code]
    assert problems[0].file.endswith("Pulumi.prod.yaml")
    assert line in (None, problems[0].line)
    assert f"Pulumi.prod.yaml{f':{line}' if line is not None else ''}" in said


@pytest.mark.parametrize(("text", "code", "key", "value"), LINES)
def test_a_line_that_parsers_or_projects_disagree_about_is_refused(text: str, code: str, key: str, value: str, refusal: Refusal) -> None:
    whole = PROD.read_text(encoding="utf-8") + text
    (problem,), said = refusal(whole)
    assert (problem.code, problem.key) == (code, key)
    assert value in problem.value
    assert problem.line == len(whole.splitlines())
    assert f"Pulumi.prod.yaml:{problem.line}" in said


def test_the_table_has_more_than_90_rows() -> None:
    assert len(WRONG) + len(FILES) + len(LINES) >= 90
