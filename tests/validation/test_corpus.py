"""The sample corpus: structure, metadata, and questions that are refused with their line."""

import json
from pathlib import Path

import pytest

from validation.chunking import CHUNK_CHARACTERS, Section, chunks_of, parse_html, parse_markdown
from validation.corpus import read_corpus
from validation.errors import UsageError


def test_documents_and_chunks_carry_their_metadata(corpus_dir: Path) -> None:
    corpus = read_corpus(corpus_dir)
    assert [(document.id, document.title, document.language) for document in corpus.documents] == [
        ("haus", "Hausordnung", "de"),
        ("pump", "Pump manual", "en"),
    ]
    oil = next(chunk for chunk in corpus.chunks if "Oil" in chunk.text)
    assert (oil.document_id, oil.section, oil.source) == ("pump", "Care", "documents/en/pump.md")
    assert oil.text == "Oil it weekly.\nKeep it dry."
    assert oil.sha256 == corpus.documents[1].sha256
    assert oil.passage.splitlines()[:2] == ["Pump manual", "Care"]


def test_script_and_navigation_are_not_text() -> None:
    parsed = parse_html("<title>T</title><nav><p>menu</p></nav><style>p{}</style><p>Real <b>words</b></p>")
    assert [section.paragraphs for section in parsed.sections] == [["Real words"]]


def test_a_table_row_and_a_nested_list_item_are_read_once() -> None:
    parsed = parse_markdown("# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n\n  more\n  - two\n")
    assert parsed.sections[0].paragraphs == ["a | b", "1 | 2", "one more two"]


def test_chunks_are_whole_paragraphs_unless_one_alone_is_too_long() -> None:
    section = Section("h", ["a" * 600, "b" * 300, "c" * 300, "Sentence one. " * 200])
    chunks = list(chunks_of(section))
    assert chunks[0] == "a" * 600 + "\n" + "b" * 300
    assert max(map(len, chunks)) <= CHUNK_CHARACTERS
    assert "".join(chunks).count("Sentence one.") == 200


def test_one_long_word_is_cut_rather_than_lost() -> None:
    assert "".join(chunks_of(Section("h", ["x" * 2_500]))) == "x" * 2_500


def test_the_digest_changes_with_any_document_or_question(corpus_dir: Path) -> None:
    before = read_corpus(corpus_dir).sha256
    assert read_corpus(corpus_dir).sha256 == before
    (corpus_dir / "documents/en/pump.md").write_text("# Pump manual\n\nThe pump lifts 41 litres.\n")
    assert read_corpus(corpus_dir).sha256 != before


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "not JSON"),
        ('{"id": "q3"}', "question: Field required"),
        ("[]", "dictionary"),
        ({"relevance": {"pump": 4}}, "less than or equal to 3"),
        ({"relevance": {"nowhere": 3}}, "the corpus lacks: nowhere"),
        ({"relevance": {"pump": 0}}, "no document has a grade above 0"),
        ({"fact": ""}, "fact"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_bad_question_is_named_with_its_line(corpus_dir: Path, line: str | dict[str, object], expected: str) -> None:
    path = corpus_dir / "questions.jsonl"
    first = path.read_text().splitlines()[0]
    bad = line if isinstance(line, str) else json.dumps(json.loads(first) | {"id": "q3"} | line)
    path.write_text(f"{first}\n\n{bad}\n")
    with pytest.raises(UsageError) as caught:
        read_corpus(corpus_dir)
    assert f"{path}:3: " in str(caught.value)
    assert expected in str(caught.value)


def test_a_question_id_that_stands_twice_is_refused(corpus_dir: Path) -> None:
    path = corpus_dir / "questions.jsonl"
    path.write_text(path.read_text() * 2)
    with pytest.raises(UsageError, match="q1, q2"):
        read_corpus(corpus_dir)


def test_two_documents_of_one_id_are_refused(corpus_dir: Path) -> None:
    (corpus_dir / "documents/de/pump.html").write_text("<p>Pumpe</p>")
    with pytest.raises(UsageError, match=r"same document id.*: pump"):
        read_corpus(corpus_dir)


def test_an_empty_document_and_an_empty_corpus_are_refused(corpus_dir: Path, tmp_path: Path) -> None:
    (corpus_dir / "documents/en/empty.md").write_text("# Only a title\n")
    with pytest.raises(UsageError, match=r"empty.md: holds no text"):
        read_corpus(corpus_dir)
    with pytest.raises(UsageError, match="--corpus DIR"):
        read_corpus(tmp_path / "none")


def test_the_corpus_of_this_project_can_be_read() -> None:
    corpus = read_corpus(Path(__file__).parents[2] / "corpus")
    assert len(corpus.documents) >= 20
    assert len(corpus.questions) >= 40
    assert {document.language for document in corpus.documents} == {"de", "en"}
