"""A collection that is there already: what is left out is named, and nothing is judged that was not measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from validation.__main__ import app
from validation.checks import existing
from validation.checks.context import Loaded
from validation.clients.milvus import Row
from validation.clients.passages import Chunk
from validation.corpus.documents import Question
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.profile import Profile
from validation.load.open_loop import Sample
from validation.run.record import Record


class Named:
    """Stands where a collection would; nothing here asks Milvus."""

    name = "handbook"


def loaded(*ids: int) -> Loaded:
    chunk = Chunk(document_id="d", title="", section="", language="en", source="d.md", sha256="", text="")
    rows = [Row(id=one, bucket=0, chunk=chunk) for one in ids]
    places = {one: place for place, one in enumerate(ids)}
    return Loaded(collection=Named(), rows=rows, matrix=None, generated=[], places=places)  # type: ignore[arg-type]  # neither is asked


def test_promises_that_need_writing_are_left_out_and_named(profile: Profile) -> None:
    record = Record(run_id="r", strict=False)
    judged = existing.judgeable(profile, record)
    left_out = profile.objectives.keys() - judged.objectives.keys()
    assert {"searchable_s", "indexed_s", "load_s", "freshness_p95_ms", "during_ingest_p95_ms"} <= left_out
    assert left_out <= record.skipped.keys()
    assert {"search_p95_ms", "recall_at_10", "ndcg_at_10", "fact_share", "original_share"} <= judged.objectives.keys()
    assert "isolation" in record.skipped
    shares = judged.search.queries
    assert shares.generated == 0
    assert shares.judged + shares.planted == pytest.approx(1)


def test_what_milvus_finds_is_looked_up_by_its_own_ids() -> None:
    found = loaded(907, 15, 33)
    sample = Sample(number=0, planned_s=0, sent_s=0, ended_s=0, ids=[33, 907], error="")
    assert [one.ids for one in found.in_rows([sample])] == [[2, 0]]


def test_a_row_that_came_meanwhile_makes_the_run_invalid() -> None:
    with pytest.raises(InvalidRunError, match=r"handbook was written to while it was judged \(row 4\)"):
        loaded(907).rows_of([4])


def test_questions_without_documents_keep_the_names_that_they_use(corpus_dir: Path) -> None:
    (corpus_dir / "documents" / "en" / "pump.md").unlink()
    found = existing.questions_only(corpus_dir)
    assert (found.documents, found.questions[0].relevance) == ((), {"pump": 3})
    (corpus_dir / "questions.jsonl").unlink()
    with pytest.raises(UsageError, match=r"questions.jsonl: cannot be read"):
        existing.questions_only(corpus_dir)


def question(number: int, kind: str = "fact") -> Question:
    relevance, fact = ({"pump": 3}, "12 bar") if kind == "fact" else ({}, None)
    return Question(id=f"q{number}", question="how much?", language="en", relevance=relevance, fact=fact, kind=kind)


def test_limits_are_scaled_to_what_is_there_and_what_is_left_out_says_why(profile: Profile) -> None:
    record = Record()
    fitted = existing.scaled(profile, 21, [question(number) for number in range(15)], record)
    assert (fitted.vectors.value, len(fitted.search.filters)) == (21, 1)
    assert not {"ndcg_at_10", "fact_share", "citation_share", "refusal_share"} & fitted.objectives.keys()
    assert {"search_p95_ms", "recall_at_10", "embedding_p95_ms", "answer_error_share"} <= fitted.objectives.keys()
    assert record.skipped["fact_share"] == "rests on 20 questions, and questions.jsonl has 15 of that kind"
    assert "of 21 chunks a filter leaves too few" in record.skipped["filters"]
    assert record.inputs["profile"]["vectors"]["value"] == 21


def test_nothing_is_left_out_where_there_is_enough(profile: Profile) -> None:
    record = Record()
    questions = [*(question(number) for number in range(100)), *(question(number, "unanswerable") for number in range(100, 110))]
    fitted = existing.scaled(profile, 50_000, questions, record)
    assert (fitted.objectives, fitted.search, record.skipped) == (profile.objectives, profile.search, {})
    assert fitted.vectors.value == profile.vectors.value


def test_the_help_of_ingest_says_what_is_read_what_is_touched_and_what_each_code_means() -> None:
    text = CliRunner().invoke(app, ["ingest", "--help"]).stdout
    assert all(word in text for word in (".pdf", "questions.jsonl", "--collection", "--language", "Only collections that", "Exit codes"))


def test_the_content_is_the_same_in_any_order_and_another_one_with_one_other_word_or_number() -> None:
    rows, matrix = loaded(907, 15).rows, np.eye(2, dtype=np.float32)
    content = existing._content(rows, matrix)
    assert content.startswith("2 rows, ")
    assert existing._content(rows[::-1], matrix[::-1]) == content
    changed = [rows[0], replace(rows[1], chunk=replace(rows[1].chunk, text="another"))]
    others = {existing._content(changed, matrix), existing._content(rows, matrix * 2), existing._content(rows[:1], matrix[:1])}
    assert content not in others
    assert len(others) == 3
