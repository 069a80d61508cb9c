"""The embedder's model: character n-grams, weighted and projected to a few hundred dimensions, unit length.

Owns the file format (one `.npz`, no pickle, the same bytes for the same corpus) and the arithmetic of `encode`. The
inverse document frequencies are folded into the projection, and the length of the sparse vector cancels out when the
result is scaled to unit length, so encoding is one sparse-by-dense product.
Refuses a zero vector: a text that shares no n-gram with the corpus (Korean, in a corpus without it) gets a
unit vector drawn from the sha256 of the text: equal texts stay equal, others come out nearly orthogonal.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]  # ships no types

from .letters import in_words

Matrix = npt.NDArray[np.float32]

NGRAM_RANGE = (3, 4)
"""Chosen by experiment, see README.md: inside words, so that German compounds share their parts."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a fitted model says about itself."""

    name: str
    """`lab-char-svd-<dimension>`."""
    dimension: int
    corpus_sha256: str
    """Digest of the corpus it was fitted on; as the gate reports it."""
    fitted_texts: int
    """Distinct sentences and sections."""
    explained_variance: float
    """Share of the variance that the dimensions keep, 0..1."""


class EmbeddingModel:
    """A fitted model that turns texts into unit vectors. Safe to use from several threads."""

    def __init__(self, card: ModelCard, terms: npt.NDArray[np.str_], projection: Matrix) -> None:
        if projection.shape != (len(terms), card.dimension):
            raise ValueError(
                f"projection is {projection.shape}, expected {(len(terms), card.dimension)}: vectors would be wrong; fit the model again"
            )
        self.card = card
        self._terms = terms
        self._projection = projection
        words = {"preprocessor": in_words, "analyzer": "char_wb", "ngram_range": NGRAM_RANGE}
        self._counter = CountVectorizer(**words, vocabulary=terms.tolist(), dtype=np.float32)
        self._counter.fit([""])  # builds its vocabulary now, not in two threads at once

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape `(len(texts), dimension)`."""
        counts = self._counter.transform(texts)
        np.log(counts.data, out=counts.data)
        counts.data += 1
        vectors: Matrix = np.asarray(counts @ self._projection)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        for row in np.flatnonzero(lengths[:, 0] < np.finfo(np.float32).eps):
            vectors[row] = _vector_of_unknown(texts[int(row)], self.card.dimension)
            lengths[row] = 1
        vectors /= lengths
        return vectors

    def save(self, path: Path) -> None:
        """Write the model; a killed run leaves the file that was there before."""
        unfinished = path.with_name(f".{path.name}.unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, card=np.array(json.dumps(asdict(self.card), sort_keys=True)), terms=self._terms, projection=self._projection)
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> "EmbeddingModel":
        """Read a model; raise `FileNotFoundError` or `ValueError`, each with the command that cures it."""
        cure = f"make it with: python3 -m services fit PASSAGES_FILE {path}"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no fitted model, so nothing can be embedded; {cure}")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls(ModelCard(**json.loads(str(stored["card"]))), stored["terms"], stored["projection"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: not a fitted model or damaged ({error}), so nothing can be embedded; {cure}") from error


def _vector_of_unknown(text: str, dimension: int) -> Matrix:
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    vector = np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)
    unit: Matrix = vector / np.linalg.norm(vector)
    return unit
