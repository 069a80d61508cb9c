"""What a check asks, asked of a Milvus that keeps, indexes and finds: green while it is whole, red when just that is broken."""

import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.conftest import write_corpus
from tests.validation.lite import Lite, milvus
from tests.validation.services import DIMENSION, vector
from validation.checks import during_ingest as during_ingest_module
from validation.checks import retrieval as retrieval_module
from validation.checks import segments as segments_module
from validation.checks.context import Loaded, RunContext, Services
from validation.checks.during_ingest import Stream, during_ingest
from validation.checks.invariants import invariants
from validation.checks.quality import modes
from validation.checks.retrieval import filtered
from validation.checks.segments import cold_path, freshness, growing, new_rows, sealed
from validation.clients.milvus import Row, VectorStore, connect
from validation.clients.target import Target
from validation.clients.vectors import Matrix, unit
from validation.corpus.documents import Corpus, read_corpus
from validation.corpus.generator import generate_chunks
from validation.judge import judgement
from validation.judge.errors import InvalidRunError
from validation.judge.judgement import Grade
from validation.judge.objectives import Objective
from validation.judge.profile import Ingesting, Patience, Profile
from validation.load.open_loop import Sample
from validation.run.record import Record, Reporter

ROWS = 300
CHUNKS = generate_chunks(7, ROWS)[0]
MATRIX = unit(np.array([vector(chunk.passage, DIMENSION) for chunk in CHUNKS], dtype=np.float32))
PROMISE = {"sli": "hybrid_ndcg_at_10", "unit": "share", "limit": ">= 0.5", "reason": "only for this test"}
NO_COLLECTION: Any = None
KEPT = [Row(id=number, bucket=number % 100, chunk=chunk) for number, chunk in enumerate(CHUNKS)]
NUMBERS = itertools.count()
STREAMED = Ingesting(value=100, unit="vectors/s", seconds=3, reason="as long as the shortest that is allowed")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lite, VectorStore]]:
    with milvus(tmp_path_factory.mktemp("lite")) as (lite, uri), closing(connect(uri, "default")) as store:
        yield lite, store


@pytest.fixture
def lite(served: tuple[Lite, VectorStore]) -> Lite:
    served[0].heal()
    return served[0]


@pytest.fixture
def services(served: tuple[Lite, VectorStore]) -> Services:
    """Only Milvus is asked here."""
    nobody: Any = None
    return Services(milvus=served[1], documents=nobody, embedding=nobody, llm=nobody, reranker=None)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Read the corpus once: each time costs a process that reads its documents."""
    return read_corpus(write_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def run(profile: Profile, corpus: Corpus, services: Services) -> Iterator[RunContext]:
    search = profile.search.model_copy(update={"timeout_ms": 60_000})
    changed = {"search": search, "ingesting": STREAMED, "patience": Patience(searchable_s=0.3, indexed_s=5, loaded_s=30)}
    with ExitStack() as closing_too:
        context = RunContext(
            profile=profile.model_copy(update=changed),
            target=Target.model_validate(OUTPUTS),
            corpus=corpus,
            seed=7,
            keep=False,
            record=Record(run_id=f"test_{next(NUMBERS)}", strict=False),
            reporter=Reporter(quiet=True),
            closing=closing_too,
        )
        context.services, context.question_vectors = services, asked(context)
        yield context


@pytest.fixture
def loaded(run: RunContext) -> Loaded:
    collection = run.make_collection()
    collection.insert(KEPT, MATRIX)
    run.loaded = Loaded(collection=collection, rows=KEPT, matrix=MATRIX, generated=[])
    return run.loaded


def asked(run: RunContext) -> Matrix:
    """Return the vectors of the corpus's questions."""
    return unit(np.array([vector(one.question, DIMENSION) for one in run.corpus.questions], dtype=np.float32))


def value(run: RunContext, name: str) -> float:
    found = run.record.measurements[name].value
    assert found is not None
    return found


def grade(run: RunContext, name: str) -> Grade:
    judged = judgement.judge(run.profile, run.record.measurements, run.record.faults).judged
    return next(one.grade for one in judged if one.objective.sli == name)


def test_twenty_documents_are_stored_one_by_one_and_each_is_found(run: RunContext, lite: Lite, loaded: Loaded) -> None:
    freshness(run)
    grown = run.loaded
    assert len(grown.rows) == len(grown.matrix) == loaded.collection.count() == ROWS + 20
    assert run.record.measurements["freshness_p95_ms"].samples == 20
    assert 0 < value(run, "freshness_p50_ms") <= value(run, "freshness_p95_ms")
    assert value(run, "indexed_s") > 0
    assert lite.has_flushed


@pytest.mark.usefixtures("loaded")
def test_a_document_that_is_never_found_ends_the_run(run: RunContext, lite: Lite) -> None:
    lite.loses = lambda row: row == ROWS + 11
    with pytest.raises(InvalidRunError, match=rf"waited 0\.3 s until users find row {ROWS + 11}"):
        freshness(run)


@pytest.mark.usefixtures("loaded")
def test_a_collection_is_released_loaded_and_searched_twice(run: RunContext, lite: Lite) -> None:
    lite.heal()
    cold_path(run)
    assert {"load_s", "cold_first_ms", "cold_second_ms"} <= set(run.record.measurements)
    assert run.record.faults == []


@pytest.mark.usefixtures("loaded")
def test_a_load_that_is_called_done_too_early_is_a_fault(run: RunContext, lite: Lite) -> None:
    lite.empty_searches = 1
    cold_path(run)
    assert "found 0 rows" in run.record.faults[0]


def test_a_load_after_which_rows_are_missing_ends_the_run(run: RunContext, loaded: Loaded) -> None:
    run.loaded = loaded.extended(*new_rows(loaded, 1, 7))
    with pytest.raises(InvalidRunError, match=f"holds {ROWS} of {ROWS + 1} rows"):
        cold_path(run)


def test_a_row_that_was_never_sent_proves_nothing(loaded: Loaded) -> None:
    assert loaded.chunks([0, ROWS - 1]) == [KEPT[0].chunk, KEPT[-1].chunk]
    for strange in (ROWS, -1):
        with pytest.raises(InvalidRunError, match=f"found row {strange}, which was never sent"):
            loaded.chunks([0, strange])


@pytest.mark.usefixtures("loaded")
def test_a_filter_behind_which_rows_are_lost_is_red_and_the_others_are_not(
    run: RunContext, lite: Lite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval_module, "_EACH", 30)
    lite.loses = lambda row: KEPT[row].bucket in range(1, 10)
    filtered(run)
    assert value(run, "filter_1_recall_at_10") > 0.95
    assert value(run, "filter_10_recall_at_10") < 0.3
    assert value(run, "filter_50_recall_at_10") < value(run, "filter_99_recall_at_10")
    assert run.record.checks[-1].facts["10 %"] == {"rows that pass": 30, "errors": {}}


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("defect", "invariant"),
    [
        ({}, ""),
        ({"loses": lambda row: row >= 280}, "row"),
        ({"answers_with": lambda row: 5 if row == 6 else row}, "scores"),
        ({"answers_with": lambda row: 4000 if row == 6 else row}, "ids"),
    ],
)
def test_an_answer_that_breaks_what_none_may_break_fails_the_run_and_is_named(
    run: RunContext, lite: Lite, monkeypatch: pytest.MonkeyPatch, defect: dict[str, Any], invariant: str
) -> None:
    monkeypatch.setattr(retrieval_module, "_EACH", 30)
    for name, behaviour in defect.items():
        setattr(lite, name, behaviour)
    filtered(run)
    lite.heal()
    invariants(run)
    judged = {each.objective.sli: each for each in judgement.judge(run.profile, run.record.measurements).judged}["broken_answers"]
    facts = run.record.checks[-1].facts
    assert facts["answers"] == {"filtered": 120}
    assert judged.grade == ("fail" if invariant else "pass"), facts
    assert (invariant in facts["broken"]) is bool(invariant)
    assert judged.why.startswith("first " if invariant else "")
    assert (": search " in judged.why) is bool(invariant)


@pytest.mark.usefixtures("loaded")
def test_a_row_that_was_acknowledged_and_is_in_no_search_is_lost(run: RunContext, lite: Lite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_module, "_EACH", 30)
    lite.loses = lambda row: row >= 280
    filtered(run)
    invariants(run)
    assert any(re.match(r"not row 29\d, which it is nearest to and which no search finds", each.why) for each in run.broken["filtered"])


@pytest.mark.usefixtures("loaded")
def test_rows_that_are_lost_when_their_segment_is_sealed_are_missed_there_alone(run: RunContext, lite: Lite) -> None:
    lite.loses = lambda row: lite.has_flushed and row % 4 == 0
    growing(run)
    assert run.growing is not None
    run.growing.collection.flush()
    sealed(run)
    assert (grade(run, "growing_recall_at_10"), grade(run, "sealed_recall_at_10")) == (Grade.PASS, Grade.FAIL)
    assert run.record.checks[-1].facts["searches with the same ten"] < 50


@pytest.mark.usefixtures("loaded")
def test_segments_that_are_sealed_already_are_not_taken_for_growing_ones(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        segments_module, "_insert_growing", lambda _run, part: (part.collection.insert(KEPT, MATRIX), part.collection.flush())
    )
    with pytest.raises(InvalidRunError, match=f"{ROWS} rows of gate_.*_segments are sealed already"):
        growing(run)


@pytest.mark.usefixtures("loaded")
def test_rows_that_were_never_searched_while_growing_cannot_be_compared(run: RunContext) -> None:
    with pytest.raises(InvalidRunError, match="nothing can be compared"):
        sealed(run)


def test_growing_rows_are_sealed_together_with_the_others(run: RunContext, lite: Lite, loaded: Loaded) -> None:
    growing(run)
    assert not lite.has_flushed
    freshness(run)
    assert run.record.checks[-1].facts["sealed together"] == [loaded.collection.name, f"{loaded.collection.name}_segments"]


@pytest.mark.parametrize("promised", ["growing_p95_ms", "sealed_p95_ms"])
def test_both_states_are_searched_where_either_is_promised(run: RunContext, loaded: Loaded, promised: str) -> None:
    run.profile = run.profile.model_copy(update={"objectives": {promised: run.profile.objectives[promised]}})
    for check in (growing, freshness, sealed):
        check(run)
    assert loaded.rows
    assert {"growing_p95_ms", "sealed_p95_ms"} <= set(run.record.measurements)


def test_search_is_timed_and_compared_while_rows_stream_in_and_are_sealed(run: RunContext, lite: Lite, loaded: Loaded) -> None:
    during_ingest(run)
    assert loaded.collection.count() == ROWS + 300
    assert lite.has_flushed
    assert value(run, "during_ingest_rate") > 0
    assert value(run, "during_ingest_recall_at_10") > 0.9
    assert run.record.measurements["during_ingest_p99_ms"].samples == 300
    assert run.record.checks[-1].facts["merged"] == "Completed"


def test_what_nobody_promised_is_skipped_and_says_so(run: RunContext) -> None:
    run.profile = run.profile.model_copy(update={"objectives": {}})
    for check in (growing, filtered, sealed, during_ingest):
        check(run)
    assert all("promises nothing about it" in check.facts["skipped"] for check in run.record.checks)
    assert len(run.record.checks) == 4


def sample(number: int, sent_s: float, ids: list[int]) -> Sample:
    return Sample(number=number, planned_s=sent_s, sent_s=sent_s, ended_s=sent_s, ids=ids, error="")


@pytest.mark.parametrize(
    ("consistency", "sent_s", "ids", "rows"),
    [
        ("Bounded", 3.0, [1, 2], 0),
        ("Bounded", 3.0, [1, ROWS], 2),
        ("Bounded", 3.0, [ROWS + 2], 4),
        ("Bounded", 6.5, [1], 2),
        ("Bounded", 7.5, [1], 4),
        ("Strong", 1.5, [1], 2),
        ("Strong", 2.5, [], 4),
        ("Eventually", 99.0, [1], 0),
    ],
)
def test_what_a_search_had_to_see_follows_from_its_answer_and_its_consistency(
    run: RunContext, consistency: str, sent_s: float, ids: list[int], rows: int
) -> None:
    search = run.profile.search.model_copy(update={"consistency": consistency})
    run.profile = run.profile.model_copy(update={"search": search})
    new, _ = new_rows(Loaded(collection=NO_COLLECTION, rows=KEPT, matrix=MATRIX, generated=[]), 4, 7)
    stream = Stream(collection=NO_COLLECTION, rows=new, matrix=MATRIX, rate=2, seconds=2)
    stream.acknowledged, stream.ends = [(1.0, 2), (2.0, 4)], [2, 4]
    assert during_ingest_module._visible(run, stream, [sample(0, sent_s, ids)]) == {0: ROWS + rows}


@pytest.fixture
def judged(run: RunContext) -> RunContext:
    """Return a run that promises something of full-text search, with rows of the corpus and a few generated ones in their way."""
    promised = {"hybrid_ndcg_at_10": Objective.model_validate(PROMISE)}
    chunks = [*run.corpus.chunks, *CHUNKS[:50]]
    rows = [Row(id=number, bucket=0, chunk=chunk) for number, chunk in enumerate(chunks)]
    matrix = unit(np.array([vector(chunk.passage, DIMENSION) for chunk in chunks], dtype=np.float32))
    run.record.versions["milvus server"] = run.services.milvus.server_version()
    run.profile = run.profile.model_copy(update={"objectives": run.profile.objectives | promised})
    run.loaded = Loaded(collection=NO_COLLECTION, rows=rows, matrix=matrix, generated=[])
    return run


def test_questions_are_ranked_by_vectors_by_words_and_by_both(judged: RunContext, lite: Lite) -> None:
    lite.heal()
    modes(judged)
    assert {mode: value(judged, f"{mode}_ndcg_at_10") for mode in ("dense", "sparse", "hybrid")} == pytest.approx(
        {"dense": 1, "sparse": 1, "hybrid": 1}, abs=0.4
    )
    assert value(judged, "hybrid_p95_ms") > 0


def test_words_that_find_nothing_are_seen_beside_vectors_that_do(judged: RunContext, lite: Lite) -> None:
    right = {number for number, row in enumerate(judged.loaded.rows) if not row.chunk.generated}
    lite.loses = lambda row: row in right and lite.is_by_words
    modes(judged)
    assert value(judged, "sparse_ndcg_at_10") == 0
    assert value(judged, "dense_ndcg_at_10") > 0
    assert judged.record.checks[-1].facts["sparse"]["missed"] == ["q1", "q2"]


@pytest.mark.parametrize("version", ["2.3.5", "v2.4.17", ""])
def test_a_server_without_full_text_search_is_skipped_with_the_reason(judged: RunContext, version: str) -> None:
    judged.record.versions["milvus server"] = version
    modes(judged)
    assert "has no full-text search; 2.5 and newer have" in judged.record.checks[-1].facts["skipped"]
    assert grade(judged, "hybrid_ndcg_at_10") is Grade.UNMEASURED


def test_two_runs_at_once_do_not_touch_each_other(run: RunContext, services: Services) -> None:
    mine = run.make_collection()
    with ExitStack() as closing_other:
        other = replace(run, record=Record(run_id=f"other_{next(NUMBERS)}", strict=False), closing=closing_other)
        other.services = services
        theirs = other.make_collection()
        assert {mine.name, theirs.name} <= set(services.milvus.collections_of_gates())
    assert theirs.name not in services.milvus.collections_of_gates()
    assert mine.name in services.milvus.collections_of_gates()
    assert (other.record.left_behind, run.record.left_behind) == ([], [mine.name])


def test_a_collection_of_the_same_name_is_somebody_elses_and_left_alone(run: RunContext, services: Services) -> None:
    theirs = run.make_collection()
    with ExitStack() as closing_other:
        other = replace(run, record=Record(run_id=run.record.run_id, strict=False), closing=closing_other)
        other.services = services
        with pytest.raises(InvalidRunError, match=f"{theirs.name} is there already and not this run's: it is left alone"):
            other.make_collection()
    assert theirs.name in services.milvus.collections_of_gates()
    assert other.record.left_behind == []
