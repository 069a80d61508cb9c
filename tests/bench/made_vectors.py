"""Whether the vectors that the gate makes for generated chunks behave as those that the model makes: in ranking, and in an HNSW index.

Both sets hold the corpus and the same generated chunks; in the one all of them are embedded, in the other those that the gate embeds. Both
are searched with the judged questions, exactly and by faiss on one thread, with the build parameters of validation/slo.lab.yaml. What was
embedded is kept in the cache, so that a second run takes seconds. Prints a table for docs/corpus.md; needs no lab.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import faiss
import numpy as np
import typer
import yaml

from lab.places import CACHE
from lab.services.embedder import DIMENSION, MODEL, EmbeddingModel
from validation.clients.passages import Chunk
from validation.clients.retrieval_models import KeptVectors
from validation.clients.vectors import Matrix
from validation.corpus.documents import Corpus, read_corpus
from validation.corpus.generator import embedded_count, generate_chunks, make_vectors
from validation.corpus.grading import best_per_document, ndcg

_SEED = 7
_AT_ONCE = 512
_EFS = (10, 16, 32, 64, 256)
_SAMPLE = 500
_HALF = 0.5
_TIMES = 9
"""The fastest counts: what else the machine does only slows it."""
Row = dict[str, float]


def main(chunks: Annotated[int, typer.Option(help="Generated chunks; embedding 1,000 takes one core two minutes.")] = 3_136) -> None:
    """Compare real vectors of generated chunks with made ones."""
    corpus, model = read_corpus(Path("corpus")), EmbeddingModel()
    generated = generate_chunks(_SEED, chunks)[0]
    real = _embedded(model, [*corpus.chunks, *generated])
    of_corpus, of_generated = real[: len(corpus.chunks)], real[len(corpus.chunks) :]
    made = np.concatenate([of_corpus, make_vectors(generated, of_generated[: embedded_count(chunks)], _SEED)])
    questions = model.encode([f"query: {question.question}" for question in corpus.questions])
    documents = [chunk.document_id for chunk in (*corpus.chunks, *generated)]
    tables = [dict(_rows(corpus, documents, vectors, questions)) for vectors in (real, made)]
    print(f"| {len(corpus.chunks)} chunks of the corpus, {chunks:,} generated | embedded | made |\n|---|---|---|")
    for name, value in tables[0].items():
        print(f"| {name} | {value:.3g} | {tables[1][name]:.3g} |")


def _embedded(model: EmbeddingModel, chunks: list[Chunk]) -> Matrix:
    kept = KeptVectors(str(CACHE / "vectors"), f"{MODEL}, tests.bench.made_vectors, {DIMENSION} dimensions")
    parts = []
    for first in range(0, len(chunks), _AT_ONCE):
        parts.append(kept.embed(chunks[first : first + _AT_ONCE], lambda some: model.encode([f"passage: {one.passage}" for one in some])))
        print(f"embedded {first + len(parts[-1]):,} of {len(chunks):,}", end="\r", flush=True)
    return np.concatenate(parts)


def _rows(corpus: Corpus, documents: list[str], vectors: Matrix, questions: Matrix) -> Iterator[tuple[str, float]]:
    scores = questions @ vectors.T
    yield from _ranking(corpus, documents, scores)
    chosen = np.random.default_rng(_SEED).choice(len(vectors), _SAMPLE, replace=False)
    for name, likeness in (("a chunk", vectors[chosen] @ vectors.T), ("a question", scores)):
        ordered = -np.sort(-likeness, axis=1)
        for place in (1, 10, 100):
            yield f"cosine of {name} and its {place}. neighbour, median", float(np.median(ordered[:, place - (name != "a chunk")]))
        yield f"cosine of {name} and any chunk, median", float(np.median(likeness))
    yield from _searched(vectors, questions, scores)


def _ranking(corpus: Corpus, documents: list[str], scores: Matrix) -> Iterator[tuple[str, float]]:
    values = {}
    for question, line in zip(corpus.questions, scores, strict=True):
        if question.is_answerable:
            ranked = best_per_document([documents[row] for row in np.argsort(-line, kind="stable")[:100]])
            values[question.id] = (question.kind, ndcg(ranked[:10], question.relevance, 10))
    yield "nDCG@10, exact search", fmean(value for _, value in values.values())
    yield "nDCG@10 across languages", fmean(value for kind, value in values.values() if kind == "cross_language")


def _searched(vectors: Matrix, questions: Matrix, scores: Matrix) -> Iterator[tuple[str, float]]:
    chosen = yaml.safe_load(Path("validation/slo.lab.yaml").read_text(encoding="utf-8"))["search"]["index"]["params"]
    untyped: Any = faiss  # its list of types lacks what is particular to HNSW
    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(DIMENSION, chosen["M"], faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = chosen["efConstruction"]
    index.add(vectors)
    for ef in _EFS:
        index.hnsw.efSearch = ef
        seconds = math.inf
        for _ in range(_TIMES):
            untyped.cvar.hnsw_stats.reset()
            begin = time.perf_counter()
            similarity, _ = index.search(questions, 10)
            seconds = min(seconds, time.perf_counter() - begin)
        yield f"HNSW, ef {ef}: recall@10", _recall(similarity, scores)
        yield f"HNSW, ef {ef}: distances computed", untyped.cvar.hnsw_stats.ndis / len(questions)
        yield f"HNSW, ef {ef}: microseconds", seconds / len(questions) * 1e6
    half = np.flatnonzero(np.random.default_rng(_SEED).random(len(vectors)) < _HALF)
    filtered = untyped.SearchParametersHNSW(efSearch=_EFS[-1], sel=faiss.IDSelectorBatch(half))
    yield (
        f"HNSW, ef {_EFS[-1]}, half of the rows filtered out: recall@10",
        _recall(index.search(questions, 10, params=filtered)[0], scores[:, half]),
    )


def _recall(similarity: Matrix, scores: Matrix) -> float:
    """Return the share of ten that are as near as the tenth of an exact search."""
    return float(np.mean(similarity >= -np.sort(-scores, axis=1)[:, 9:10] - 1e-5))


if __name__ == "__main__":
    typer.run(main)
