"""The sample corpus: structure, metadata, and questions that are refused with their line."""

import itertools
import json
from pathlib import Path

import pytest

from validation.clients.passages import Section
from validation.corpus.documents import read_corpus
from validation.corpus.reading.chunking import CHUNK_CHARACTERS, chunks_of
from validation.corpus.reading.readers.markup import parse_html, parse_markdown
from validation.judge.errors import UsageError


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
    assert [section.paragraphs for section in parsed.sections] == [("Real words",)]


def test_a_table_row_and_a_nested_list_item_are_read_once() -> None:
    parsed = parse_markdown("# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n\n  more\n  - two\n")
    assert parsed.sections[0].paragraphs == ("a | b", "1 | 2", "one", "more", "two")


def test_chunks_are_whole_paragraphs_unless_one_alone_is_too_long() -> None:
    section = Section(paragraphs=("a" * 600, "b" * 300, "c" * 300, "Sentence one. " * 200))
    chunks = list(chunks_of(section))
    assert chunks[0] == "a" * 600 + "\n" + "b" * 300
    assert max(map(len, chunks)) <= CHUNK_CHARACTERS
    assert "\n".join(chunks).count("Sentence one.") >= 200


def test_a_chunk_begins_with_the_last_sentence_or_row_of_the_one_before() -> None:
    rows = tuple(f"row {number} | {'x' * 90}" for number in range(30))
    chunks = list(chunks_of(Section(paragraphs=rows)))
    assert all(after.splitlines()[0] == before.splitlines()[-1] for before, after in itertools.pairwise(chunks))
    assert list(dict.fromkeys("\n".join(chunks).splitlines())) == list(rows)
    sentences = " ".join(f"Sentence {number} says this and that." for number in range(60))
    assert all(len(chunk) <= CHUNK_CHARACTERS for chunk in chunks_of(Section(paragraphs=(sentences, sentences))))


def test_one_long_word_is_cut_rather_than_lost() -> None:
    assert "".join(chunks_of(Section(paragraphs=("x" * 2_500,)))) == "x" * 2_500


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
        ({"fact": None}, 'the kind is "unanswerable"'),
        ({"kind": "unanswerable"}, '"relevance": {} and "fact": null'),
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


def test_two_documents_of_one_name_are_told_apart_by_their_paths(corpus_dir: Path) -> None:
    (corpus_dir / "documents/de/pump.html").write_text("<p>Pumpe</p>")
    with pytest.raises(UsageError, match=r"the corpus lacks: pump"):
        read_corpus(corpus_dir)
    path = corpus_dir / "questions.jsonl"
    path.write_text(path.read_text().replace('"pump"', '"en/pump.md"'))
    corpus = read_corpus(corpus_dir)
    assert [document.id for document in corpus.documents] == ["haus", "de/pump.html", "en/pump.md"]
    assert corpus.questions[0].relevance == {"en/pump.md": 3}
    assert {chunk.document_id for chunk in corpus.chunks} == {"haus", "de/pump.html", "en/pump.md"}


def test_a_document_that_cannot_be_read_is_listed_and_named_where_a_question_needs_it(corpus_dir: Path, tmp_path: Path) -> None:
    (corpus_dir / "documents/en/only-a-rule.md").write_text("---\n")
    assert [str(one) for one in read_corpus(corpus_dir).refused] == [
        "documents/en/only-a-rule.md holds no text; a document without text can never be found"
    ]
    (corpus_dir / "documents/en/pump.md").write_bytes(b"%PDF-1.7 not")
    with pytest.raises(UsageError, match=r"the corpus lacks: pump \(documents/en/pump.md is called .md but holds a PDF"):
        read_corpus(corpus_dir)
    with pytest.raises(UsageError, match="no such folder"):
        read_corpus(tmp_path / "none")


def test_a_question_that_the_corpus_cannot_answer_has_no_document_and_no_fact(corpus_dir: Path) -> None:
    path = corpus_dir / "questions.jsonl"
    added: dict[str, object] = {
        "id": "q3",
        "question": "Who won?",
        "language": "en",
        "relevance": {},
        "fact": None,
        "kind": "unanswerable",
        "as_of": "2025-03-01",
    }
    path.write_text(path.read_text() + json.dumps(added) + "\n")
    assert [question.is_answerable for question in read_corpus(corpus_dir).questions] == [True, True, False]


def test_the_corpus_of_this_project_can_be_read() -> None:
    corpus = read_corpus(Path(__file__).parents[3] / "corpus")
    assert len(corpus.documents) >= 20
    assert len(corpus.questions) >= 40
    assert {document.language for document in corpus.documents} == {"de", "en", "ja", "zh"}
