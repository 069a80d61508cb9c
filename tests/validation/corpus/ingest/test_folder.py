"""A folder is walked without leaving it; whatever is in it is read or named."""

import os
from pathlib import Path

import pytest

from tests.validation.corpus.ingest import files
from validation.corpus.ingest.folder import File, Refusal, access_of, caption_of, language_of_folder, walk
from validation.corpus.ingest.prepare import Opened, distinct, names_of, prepare, short_ids
from validation.corpus.reading import Limits, UnreadableError
from validation.corpus.reading.isolation import IsolatedReader


def look(root: Path, limits: Limits | None = None) -> tuple[list[Opened], list[str]]:
    refused = list[Refusal]()
    return list(distinct(walk(root), limits or Limits(), refused.append)), [str(one) for one in refused]


def test_names_with_spaces_emoji_dots_and_control_characters_are_only_names(tmp_path: Path) -> None:
    names = ["two words.md", "🚚 Größe.md", "..md..md", "a..b.md", "-rf.md", "bell\a\x1b[31m.md", "'; drop.md"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"Words {number}.")
    found, refused = look(tmp_path)
    assert sorted(one.file.source for one in found) == sorted(set(names) - {"..md..md"})
    assert refused == ["..md..md is hidden, and left alone"]
    assert str(Refusal(source="bell\a\x1b[31m.md", reason="is empty")) == "bell??[31m.md is empty"


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"gr\xf6\xdfe.md")).write_text("Words.")
    assert look(tmp_path)[1] == ["gr??e.md has a name that is not UTF-8; rename it"]


def test_links_pipes_and_hidden_folders_are_named_and_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.md", tmp_path / "docs"
    outside.write_text("A secret.")
    (inside / ".git").mkdir(parents=True)
    (inside / "link.md").symlink_to(outside)
    (inside / "up").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe.md")
    found, refused = look(inside)
    assert found == []
    assert refused == [
        "link.md is a link, and not followed; put the file itself here",
        "pipe.md is no file, but a pipe, socket or device",
        "up is a link, and not followed; put the file itself here",
        ".git is hidden, and left alone",
    ]


def test_a_file_that_became_a_link_since_it_was_found_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Words.")
    found = list(walk(tmp_path))
    (tmp_path / "a.md").unlink()
    (tmp_path / "a.md").symlink_to("/etc/hostname")
    refused = list[Refusal]()
    assert list(distinct(found, Limits(), refused.append)) == []
    assert "cannot be opened" in str(refused[0])


def test_a_line_of_a_gigabyte_is_named_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 30)
    assert look(tmp_path)[1] == ["huge.txt has 1,073,741,824 bytes, more than 64 MiB; split it, or raise --largest-mib"]


def test_a_long_line_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("x" * 3_000_000)
    with IsolatedReader(Limits()) as reader:
        chunks = prepare(look(tmp_path)[0][0], reader).chunks
    assert sum(len(chunk.text) for chunk in chunks) == 3_000_000
    assert chunks[0].siblings == len(chunks) == 3_000


def test_duplicates_are_found_once_unless_other_people_may_read_them(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("The same.")
    (tmp_path / "c.md.access").write_text("board\n")
    found, refused = look(tmp_path)
    assert [(one.file.source, one.access) for one in found] == [("a.md", ""), ("c.md", "board")]
    assert refused == ["b.md has the same content as a.md, under which it is found"]


def test_labels_hold_for_a_folder_and_below_until_another_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "hr" / "pay").mkdir(parents=True)
    for path in ("all.md", "hr/rules.md", "hr/pay/list.md", "hr/pay/open.md"):
        (tmp_path / path).write_text(f"Of {path}.")
    (tmp_path / "hr" / ".access").write_text("hr")
    (tmp_path / "hr" / "pay" / ".access").write_text("payroll")
    (tmp_path / "hr" / "pay" / "open.md.access").write_text("everyone")
    labels = {file.source: access_of(file) for file in walk(tmp_path) if isinstance(file, File)}
    assert labels == {"all.md": "", "hr/rules.md": "hr", "hr/pay/list.md": "payroll", "hr/pay/open.md": "everyone"}


def test_a_document_whose_label_cannot_be_meant_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Words.")
    (tmp_path / "a.md.access").write_text("Board Members!")
    found, refused = look(tmp_path)
    assert (found, "access label 'Board Members!'" in refused[0]) == ([], True)
    (tmp_path / ".access").write_text("")
    assert "is a folder that cannot be read" in look(tmp_path)[1][0]


def test_languages_come_from_the_first_folder_and_captions_from_beside(tmp_path: Path) -> None:
    (tmp_path / "documents" / "de" / "plan").mkdir(parents=True)
    (tmp_path / "documents" / "de" / "plan" / "hall.png").write_bytes(files.picture())
    (tmp_path / "documents" / "de" / "plan" / "hall.png.caption.md").write_text("Tor 4.")
    (tmp_path / "documents" / "readme.md").write_text("Words.")
    (tmp_path / "questions.jsonl").write_text("")
    found = [file for file in walk(tmp_path, "en") if isinstance(file, File)]
    assert [(file.source, file.language, caption_of(file)) for file in found] == [
        ("documents/readme.md", "en", ""),
        ("documents/de/plan/hall.png", "de", "Tor 4."),
    ]


def test_documents_of_one_name_are_named_by_their_path() -> None:
    sources = ["documents/de/a.md", "documents/en/a.md", "documents/en/b.md"]
    assert short_ids(sources) == {"documents/de/a.md": "de/a.md", "documents/en/a.md": "en/a.md", "documents/en/b.md": "b"}
    assert dict(names_of(sources))["en/b.md"] == dict(names_of(sources))["b"] == "documents/en/b.md"


def test_a_chunk_keeps_its_id_and_another_text_position_or_document_has_another(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# T\n\nOne.\n\n## S\n\nTwo.\n")
    with IsolatedReader(Limits()) as reader:
        first, again = (prepare(look(tmp_path)[0][0], reader).chunks for _ in range(2))
        assert [chunk.stable_id for chunk in first] == [chunk.stable_id for chunk in again]
        (tmp_path / "a.md").write_text("# T\n\nOne.\n\n## S\n\nThree.\n")
        changed = prepare(look(tmp_path)[0][0], reader).chunks
    assert [one.stable_id == other.stable_id for one, other in zip(first, changed, strict=True)] == [True, False]
    assert first[0].fingerprint != changed[0].fingerprint
    assert all(0 <= chunk.stable_id < 1 << 63 for chunk in first)


@pytest.fixture
def pdf_file(tmp_path: Path) -> Opened:
    (tmp_path / "a.pdf").write_bytes(files.pdf("Words. " * 20))
    return look(tmp_path)[0][0]


def test_a_reader_in_a_process_of_its_own_reads_again_after_it_had_to_be_ended(pdf_file: Opened) -> None:
    with IsolatedReader(Limits()) as reader:
        assert prepare(pdf_file, reader).chunks[0].page == 1
        process = reader._process
        assert process is not None
        process.kill()
        with pytest.raises(UnreadableError, match="ended the process that read it"):
            prepare(pdf_file, reader)
        assert prepare(pdf_file, reader).chunks


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(seconds=0), "was not read within 0 s"),
        (Limits(memory_mib=24), "ended the process that read it|too large or too deep|needs more memory"),
        (Limits(most_text_mib=0.0001), "holds more than 0.0001 MiB of text"),
    ],
)
def test_a_reader_is_bounded_in_time_memory_and_text(pdf_file: Opened, limits: Limits, reason: str) -> None:
    with IsolatedReader(limits) as reader, pytest.raises(UnreadableError, match=reason):
        prepare(pdf_file, reader)


def test_a_file_that_changes_while_it_is_read_is_named(pdf_file: Opened) -> None:
    pdf_file.file.path.write_bytes(files.pdf("Other words."))
    with IsolatedReader(Limits()) as reader, pytest.raises(UnreadableError, match="was changed while it was read"):
        prepare(pdf_file, reader)


def test_what_lies_beside_a_folder_named_documents_is_told_unless_it_is_a_corpus_with_questions(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    for path in ("documents/a.md", "b.md", "c.md"):
        (tmp_path / path).write_text(path)
    opened, refused = look(tmp_path)
    assert [each.file.source for each in opened] == ["documents/a.md"]
    assert refused == ["documents is what is read; 2 files and folders beside it are not (b.md, c.md): move them into it"]
    (tmp_path / "questions.jsonl").write_text("{}")
    assert look(tmp_path)[1] == []


@pytest.mark.parametrize("name", ["it", "hr", "qa", "pr", "id", "no", "or", "IT"])
def test_a_department_is_no_language(name: str) -> None:
    assert language_of_folder(name) == ""
