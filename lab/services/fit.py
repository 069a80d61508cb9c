"""Fits the embedder on a corpus: TF-IDF over character n-grams, truncated SVD, unit length.

Deterministic: sorted files, distinct texts in order, a fixed seed, one BLAS thread. Refuses a dimension that the rank of the
corpus does not allow, since the missing coordinates would be noise that looks like meaning.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD  # type: ignore[import-untyped]  # ships no types
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # ships no types

from .model import NGRAM_RANGE, EmbeddingModel, ModelCard
from .text import Passage, corpus_sha256, document_paths, read_passages, sentences

_SEED = 3
_POWER_ITERATIONS = 7
_SMALLEST_SINGULAR_VALUE = 1e-4
"""Relative to the largest; float32 products do not carry less."""


def fit(corpus: Path, dimension: int) -> EmbeddingModel:
    """Return a model fitted on `corpus/documents`; raise `ValueError` when the corpus is too small for the dimension."""
    if dimension < 1:
        raise ValueError(f"dimension {dimension}: a vector needs at least one coordinate; use --dimension 256")
    texts = _fitting_texts(passage for path in document_paths(corpus) for passage in read_passages(path))
    weigher = TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAM_RANGE, sublinear_tf=True, min_df=2)
    weights = weigher.fit_transform(texts)
    _refuse_rank(min(weights.shape) - 1, dimension)
    svd = TruncatedSVD(dimension, n_iter=_POWER_ITERATIONS, random_state=_SEED).fit(weights)
    _refuse_rank(int(np.sum(svd.singular_values_ > _SMALLEST_SINGULAR_VALUE * svd.singular_values_[0])), dimension)
    card = ModelCard(
        name=f"lab-char-svd-{dimension}",
        dimension=dimension,
        corpus_sha256=corpus_sha256(corpus),
        fitted_texts=len(texts),
        explained_variance=round(float(svd.explained_variance_ratio_.sum()), 4),
    )
    projection = (weigher.idf_[:, None] * svd.components_.T).astype(np.float32)
    return EmbeddingModel(card, weigher.get_feature_names_out().astype(np.str_), projection)


def _fitting_texts(passages: Iterable[Passage]) -> list[str]:
    """Distinct sentences and whole sections: queries are as short as the one, chunks as long as the other."""
    texts: dict[str, None] = {}
    for passage in passages:
        texts.update(dict.fromkeys([passage.title, passage.text, *sentences(passage.text)]))
    return list(texts)


def _refuse_rank(rank: int, dimension: int) -> None:
    if rank < dimension:
        raise ValueError(
            f"the corpus has {rank} independent directions, fewer than the dimension {dimension}: "
            f"the other coordinates would be noise; add documents, or use --dimension {max(rank, 1)} or less"
        )
