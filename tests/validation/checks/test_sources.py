"""Which chunks the language model is shown: the nearest, or what a reranker makes of a few times as many."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from starlette.responses import JSONResponse, Response

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.services import Models
from validation.checks.answer import answer, sources
from validation.checks.context import Loaded, RunContext, Services
from validation.clients.llm import LanguageModel
from validation.clients.milvus import Collection, Row
from validation.clients.passages import Chunk
from validation.clients.retrieval_models import Reranker
from validation.clients.target import Target
from validation.corpus.documents import Corpus, Question
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.profile import Profile
from validation.run.record import Record, Reporter

QUESTIONS = tuple(
    Question(
        id=f"q{number}",
        question=f"What of pump {number}?",
        language="en",
        relevance={f"pump-{number}": 3},
        fact=f"fact {number}",
        kind="fact",
    )
    for number in range(20)
)


@dataclass
class Nearest:
    """In the place of a collection: rows by their number."""

    asked: list[int]

    def nearest(self, _vector: Any, limit: int, _search: Any) -> list[int]:
        self.asked.append(limit)
        return list(range(limit))


def chunk(number: int) -> Chunk:
    return Chunk(document_id=f"pump-{number}", title="Pumps", section="", language="en", source="x", sha256="x", text=f"fact {number}")


@pytest.fixture
def loaded() -> Loaded:
    rows = [Row(id=number, bucket=0, chunk=chunk(number)) for number in range(40)]
    return Loaded(collection=cast("Collection", Nearest([])), rows=rows, matrix=np.zeros((40, 2), dtype=np.float32), generated=[])


@pytest.fixture
def run(profile: Profile, loaded: Loaded) -> Iterator[RunContext]:
    with ExitStack() as closing_stack:
        context = RunContext(
            profile=profile,
            target=Target.model_validate(OUTPUTS),
            corpus=Corpus(documents=(), chunks=(), questions=QUESTIONS, sha256="x"),
            seed=7,
            keep=False,
            record=Record(run_id="x", strict=False),
            reporter=Reporter(quiet=True),
            closing=closing_stack,
        )
        context.loaded, context.question_vectors = loaded, np.zeros((20, 2), dtype=np.float32)
        yield context


def services(reranker: Reranker | None, llm: LanguageModel | None = None) -> Services:
    nothing = cast("Any", None)
    return Services(milvus=nothing, documents=nothing, embedding=nothing, llm=cast("LanguageModel", llm), reranker=reranker)


def test_without_a_reranker_the_nearest_are_shown_and_nothing_is_measured(run: RunContext) -> None:
    run.services = services(None)
    sources(run)
    assert [[one.document_id for one in chunks] for chunks in run.sources] == [[f"pump-{number}" for number in range(5)]] * 20
    assert "rerank_p50_ms" not in run.record.measurements


def test_with_one_the_best_of_four_times_as_many_are_shown_and_its_time_is_a_stage(
    run: RunContext, models: Models, models_url: str
) -> None:
    models.rerank = lambda body: JSONResponse([{"index": at, "score": at} for at in range(len(body["texts"]))])
    with closing(Reranker(models_url, "tiny")) as reranker:
        run.services = services(reranker)
        sources(run)
    assert [one.document_id for one in run.sources[0]] == [f"pump-{number}" for number in (19, 18, 17, 16, 15)]
    assert models.requests[0]["texts"][0] == "Pumps\nfact 0"
    measured = run.record.measurements["rerank_p95_ms"]
    assert measured.value is not None
    assert measured.samples == 20


def test_a_reranker_that_answers_nonsense_in_the_middle_ends_the_run(run: RunContext, models: Models, models_url: str) -> None:
    models.rerank = lambda _: JSONResponse([{"index": 7, "score": 1}])
    with closing(Reranker(models_url, "tiny")) as reranker:
        run.services = services(reranker)
        with pytest.raises(InvalidRunError, match="no order of 20 texts"):
            sources(run)


def test_a_context_that_does_not_hold_one_source_is_refused(run: RunContext, models_url: str) -> None:
    run.target = run.target.model_copy(update={"llm_context_tokens": 256, "llm_answer_tokens": 32})
    long = replace(chunk(0), text="x" * 600)
    with closing(LanguageModel(models_url, "tiny", 5)) as llm:
        run.services, run.sources = services(None, llm), [[long]] * 20
        with pytest.raises(UsageError, match=r"256 tokens does not hold one source of 600"):
            answer(run)


def test_what_a_context_holds_is_sent_and_the_rest_is_left_out(run: RunContext, models: Models, models_url: str) -> None:
    run.target = run.target.model_copy(update={"llm_context_tokens": 256, "llm_answer_tokens": 32})
    with closing(LanguageModel(models_url, "tiny", 5)) as llm:
        run.services, run.sources = services(None, llm), [[chunk(0), replace(chunk(1), text="x" * 600)]] * 20
        answer(run)
    sent = models.requests[0]["messages"][1]["content"]
    assert "fact 0" in sent
    assert "[2]" not in sent


def test_answers_that_were_cut_and_requests_that_were_changed_are_named_in_the_report(
    run: RunContext, models: Models, models_url: str
) -> None:
    cut = {"choices": [{"delta": {"content": "The pump lifts"}, "finish_reason": "length"}]}

    def chat(body: dict[str, Any]) -> Response:
        if body["messages"][0]["role"] == "system":
            return JSONResponse({"error": {"message": "System role not supported"}}, 400)
        return Response(f"data: {json.dumps(cut)}\n\n", media_type="text/event-stream")

    models.chat = chat
    with closing(LanguageModel(models_url, "tiny", 5)) as llm:
        run.services, run.sources = services(None, llm), [[chunk(0)]] * 20
        answer(run)
    facts = run.record.checks[-1].facts
    assert facts["cut"] == [one.question.id for one in run.graded]
    assert "no system role" in "".join(facts["notes"])
