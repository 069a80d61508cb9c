"""A backup or restore that did not come to its end leaves a note, which `./rag doctor` reads; typed again, it takes the note away."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from stacks.operations import leftovers
from validation.backup.command import unfinished
from validation.reports import model

_NOBODY = 2**22 + 1  # no process has this id: Linux gives none above 2**22


def test_a_killed_command_is_what_doctor_names_until_it_is_typed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("restore", "lab", "--into docs")
    with pytest.raises(SystemExit), unfinished(*command):
        raise SystemExit
    assert leftovers._unfinished("lab") == {}, "its process is there: it may be at work"
    (note,) = (tmp_path / "build" / "unfinished").iterdir()
    note.write_text(note.read_text().replace(str(os.getpid()), str(_NOBODY)))
    assert list(leftovers._unfinished("lab").values()) == ["./rag restore lab --into docs"]
    assert leftovers._unfinished("prod") == {}
    with unfinished(*command):
        pass
    assert not note.exists()


def test_a_folder_that_cannot_be_written_to_keeps_nobody_from_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model, "write_whole", Mock(side_effect=OSError("read-only")))
    with unfinished("backup", "lab"):
        pass
    assert not list(tmp_path.iterdir())
