"""The gate through the service of questions: answers as users are served them, and what the service costs beside a direct call."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from starlette.responses import Response

from tests.validation.ask.stage import Stage
from tests.validation.ask.test_service import KEY, QUESTION, mounted, service
from validation.ask.retrieval import Query, Retriever, Stages
from validation.checks.answer import answer, overhead
from validation.checks.context import Loaded, RunContext, Services
from validation.clients.asking import AskService
from validation.clients.connect import Connector
from validation.clients.http import Access
from validation.clients.kube import Mounted
from validation.clients.milvus import Collection, Row
from validation.clients.target import Target
from validation.corpus.documents import Corpus, Question
from validation.judge.errors import InvalidRunError, UsageError
from validation.judge.profile import Profile
from validation.run.record import Record, Reporter


@dataclass
class Named:
    """In the place of a collection."""

    name: str


@pytest.fixture
def run(stage: Stage, profile: Profile, tmp_path: Path) -> Iterator[RunContext]:
    through = profile.model_copy(update={"answer": profile.answer.model_copy(update={"through": "ask"})})
    target = Target.model_validate(stage.outputs)
    with ExitStack() as closing:
        connector = Connector(target=target, kubernetes=Mounted(mounted(tmp_path) / "secrets"), closing=closing, secrets=[])
        models = connector.models(30)
        asked = AskService(f"{service(stage, tmp_path, closing)}/v1", 30, Access(read_key=lambda: KEY))
        closing.callback(asked.close)
        direct = Retriever(connector, models, {})
        found = direct.search(Query(question=QUESTION, collection="handbook", database="default", limit=50), Stages())
        pump = next(passage.chunk for passage in found if "40 litres" in passage.chunk.text)
        question = Question(
            id="q1", question=QUESTION, language="en", relevance={pump.document_id: 3}, fact="40 litres a minute", kind="fact"
        )
        context = RunContext(
            profile=through,
            target=target,
            corpus=Corpus(documents=(), chunks=(), questions=(question,) * 20, sha256="x"),
            seed=7,
            keep=False,
            record=Record(run_id="x", strict=False),
            reporter=Reporter(quiet=True),
            closing=closing,
        )
        nothing = cast("Any", None)
        context.services = Services(milvus=nothing, documents=nothing, asking=(asked, direct), **vars(models))
        rows = [Row(id=number, bucket=0, chunk=passage.chunk) for number, passage in enumerate(found)]
        places = {passage.id: number for number, passage in enumerate(found)}
        handbook, nowhere = cast("Collection", Named("handbook")), np.zeros((0, 2), dtype=np.float32)
        context.loaded = Loaded(collection=handbook, rows=rows, matrix=nowhere, generated=[], places=places)
        context.sources = [[]] * 20  # what the gate found by itself is not what answers
        yield context


def test_facts_citations_and_the_first_token_are_those_of_the_service(run: RunContext) -> None:
    answer(run)
    measured = {name: each.value for name, each in run.record.measurements.items()}
    assert (measured["fact_share"], measured["citation_share"], measured["answer_error_share"]) == (1.0, 1.0, 0.0)
    assert 0 < cast("float", measured["first_token_p50_ms"]) <= cast("float", measured["answer_p50_ms"])
    assert run.graded[0].sources[0] == run.loaded.rows[0].chunk
    assert run.record.checks[-1].facts["through"] == "ask"


def test_a_service_that_breaks_off_ends_the_run_with_its_reason(run: RunContext, stage: Stage) -> None:
    stage.models.chat = lambda _: Response("overloaded", 503)
    with pytest.raises(InvalidRunError, match="the service of questions broke off its answer: the LLM service"):
        answer(run)


def test_what_the_service_adds_is_measured_by_turns_with_the_cpu_of_both(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validation.checks.answer._ROUNDS", 20)
    overhead(run)
    measured = {name: each.value for name, each in run.record.measurements.items()}
    assert 0 <= cast("float", measured["ask_overhead_p50_ms"]) <= cast("float", measured["ask_overhead_p95_ms"])
    facts = run.record.checks[-1].facts
    assert set(facts) == {"service", "direct", "cpu_ms"}
    assert facts["cpu_ms"]["direct"] > 0


def test_without_answers_through_the_service_its_overhead_is_not_measured(run: RunContext) -> None:
    run.services = Services(**{**vars(run.services), "asking": None})
    overhead(run)
    assert "answer.through: ask" in str(run.record.checks[-1].facts["skipped"])


def test_a_stack_without_the_service_is_refused_with_the_setting_that_brings_it(stage: Stage, tmp_path: Path) -> None:
    with ExitStack() as closing:
        target = Target.model_validate(stage.outputs)
        connector = Connector(target=target, kubernetes=Mounted(tmp_path), closing=closing, secrets=[])
        with pytest.raises(UsageError, match=r"milvus-x10000:ask\.replicas"):
            connector.ask(5)


def test_a_key_that_opens_nothing_is_named(stage: Stage, tmp_path: Path) -> None:
    with ExitStack() as closing:
        asked = AskService(f"{service(stage, mounted(tmp_path), closing)}/v1", 30, Access(read_key=lambda: "wrong"))
        closing.callback(asked.close)
        with pytest.raises(UsageError, match=r"the service of questions answered .* 401"):
            asked.check()
