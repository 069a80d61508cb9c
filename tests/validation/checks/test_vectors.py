"""Whether a vector is that of its text: alone, in a batch, and when it is asked for again."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.services import DIMENSION, vector
from validation.checks.context import Loaded, RunContext, Services
from validation.checks.quality import embedding
from validation.clients.milvus import Row
from validation.clients.passages import Chunk
from validation.clients.target import Target
from validation.clients.vectors import Matrix, unit
from validation.corpus.documents import read_corpus
from validation.judge import judgement
from validation.judge.profile import Profile
from validation.run.record import Record, Reporter

NOBODY: Any = None


def right(texts: Sequence[str]) -> Matrix:
    return np.array([vector(text, DIMENSION) for text in texts], dtype=np.float32)


class Service:
    """Embeds as it is told to."""

    def __init__(self, embed: Callable[[Sequence[str]], Matrix]) -> None:
        self._embed = embed

    def time_one(self, text: str) -> tuple[Matrix, float]:
        return self._embed([text])[0], 0.01

    def embed_queries(self, texts: Sequence[str]) -> Matrix:
        return self._embed(texts)

    def embed_passages(self, chunks: Sequence[Chunk]) -> Matrix:
        return self._embed([chunk.passage for chunk in chunks])


def asked(profile: Profile, corpus_dir: Path, embed: Callable[[Sequence[str]], Matrix]) -> judgement.Judged:
    corpus, given = read_corpus(corpus_dir), Target.model_validate(OUTPUTS)
    record, reporter = Record(), Reporter(quiet=True)
    common: dict[str, Any] = {"seed": 7, "keep": False, "closing": ExitStack()}
    run = RunContext(profile=profile, target=given, corpus=corpus, record=record, reporter=reporter, **common)
    service: Any = Service(embed)
    run.services = Services(milvus=NOBODY, documents=NOBODY, embedding=service, llm=NOBODY, reranker=None)
    rows = [Row(id=number, bucket=0, chunk=chunk) for number, chunk in enumerate(corpus.chunks)]
    run.loaded = Loaded(collection=NOBODY, rows=rows, matrix=right([row.chunk.passage for row in rows]), generated=[])
    embedding(run)
    judged = judgement.judge(profile, record.measurements).judged
    return next(each for each in judged if each.objective.sli == "broken_vectors")


def test_a_model_that_embeds_alike_alone_and_together_breaks_nothing(profile: Profile, corpus_dir: Path) -> None:
    assert asked(profile, corpus_dir, right).grade == "pass"


@pytest.mark.parametrize(
    ("embed", "why"),
    [
        (lambda texts: right(texts)[::-1], "in a batch: cosine"),
        (lambda texts: right(["the same"] * len(texts)), "in a batch and alone: cosine"),
        (lambda texts: unit(np.random.default_rng().standard_normal((len(texts), DIMENSION)).astype(np.float32)), "asked twice: cosine"),
        (lambda texts: right(["x" if text.endswith("?") else text for text in texts]), "is that of"),
    ],
)
def test_a_vector_of_another_text_fails_the_run_and_the_text_is_named(
    profile: Profile, corpus_dir: Path, embed: Callable[[Sequence[str]], Matrix], why: str
) -> None:
    judged = asked(profile, corpus_dir, embed)
    assert judged.grade == "fail"
    assert why in judged.why
    assert judged.why.startswith("first ")
