"""Fits the embedder on a corpus: TF-IDF over character n-grams, truncated SVD, unit length.

Deterministic: distinct texts in order, a fixed seed, one BLAS thread. Refuses a dimension that the rank of the
corpus does not allow, since the missing coordinates would be noise that looks like meaning.
"""

from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD  # type: ignore[import-untyped]  # ships no types
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # ships no types

from .letters import in_words
from .model import NGRAM_RANGE, EmbeddingModel, ModelCard
from .text import Passages, read_passages, sentences

_SEED = 3
_POWER_ITERATIONS = 4
_MOST_COMMON = 0.1
"""Share of the texts; an n-gram in more of them tells languages apart, which takes dimensions, and not what a text is about."""
_SMALLEST_SINGULAR_VALUE = 1e-4
"""Relative to the largest; float32 products do not carry less."""


def fit(passages: Path, dimension: int) -> EmbeddingModel:
    """Return a model fitted on the passages in a file; raise `ValueError` when the corpus is too small for the dimension."""
    if dimension < 1:
        raise ValueError(f"dimension {dimension}: a vector needs at least one coordinate; use --dimension 512")
    corpus = read_passages(passages)
    texts = _fitting_texts(corpus)
    weigher = TfidfVectorizer(
        preprocessor=in_words, analyzer="char_wb", ngram_range=NGRAM_RANGE, sublinear_tf=True, min_df=2, max_df=_MOST_COMMON
    )
    weights = weigher.fit_transform(texts)
    _refuse_rank(min(weights.shape) - 1, dimension)
    svd = TruncatedSVD(dimension, n_iter=_POWER_ITERATIONS, random_state=_SEED).fit(weights)
    _refuse_rank(int(np.sum(svd.singular_values_ > _SMALLEST_SINGULAR_VALUE * svd.singular_values_[0])), dimension)
    card = ModelCard(
        name=f"lab-char-svd-{dimension}",
        dimension=dimension,
        corpus_sha256=corpus.corpus_sha256,
        fitted_texts=len(texts),
        explained_variance=round(float(svd.explained_variance_ratio_.sum()), 4),
    )
    projection = (weigher.idf_[:, None] * svd.components_.T).astype(np.float32)
    return EmbeddingModel(card, weigher.get_feature_names_out().astype(np.str_), projection)


def _fitting_texts(passages: Passages) -> list[str]:
    """Distinct sentences and whole sections: queries are as short as the one, chunks as long as the other."""
    texts: dict[str, None] = {}
    for title, heading, text in passages.texts:
        texts.update(dict.fromkeys([title, f"{heading}\n{text}", heading, *sentences(text)]))
    return list(texts)


def _refuse_rank(rank: int, dimension: int) -> None:
    if rank < dimension:
        raise ValueError(
            f"the corpus has {rank} independent directions, fewer than the dimension {dimension}: "
            f"the other coordinates would be noise; add documents, or use --dimension {max(rank, 1)} or less"
        )
