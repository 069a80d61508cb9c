"""`./rag read` shows what ingest would make of a file or a folder."""

import json
from pathlib import Path

import pytest

from tests.validation.corpus.ingest import files
from validation.judge.errors import UsageError
from validation.suites.read import Options, act


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manual.pdf").write_bytes(files.pdf("Words of page one.", "", title="Manual"))
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    return tmp_path


def test_a_file_is_shown_with_pages_notes_and_chunks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert act(Options(path=folder / "manual.pdf")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "manual.pdf: 'Manual', und, 1 of 2 pages, 1 chunk",
        "  note: no text on page 2: empty or scanned; for what is scanned run OCR over it",
        "  1. page 1 (18 characters)",
        "     Words of page one.",
    ]


def test_a_folder_is_counted_and_strict_tells_that_something_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (act(Options(path=folder)), act(Options(path=folder, strict=True))) == (0, 1)
    assert capsys.readouterr().out.splitlines()[-1] == "1 read, 1 chunks, 1 notes, 1 not read, 0 duplicates"


def test_each_file_is_one_json_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert act(Options(path=folder / "song.mp3", json=True)) == 1
    act(Options(path=folder / "manual.pdf", json=True))
    refused, read = map(json.loads, capsys.readouterr().out.splitlines())
    assert (refused["file"], read["chunks"]) == ("song.mp3", [{"text": "Words of page one.", "page": 1}])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder"):
        act(Options(path=tmp_path / "none.pdf"))
