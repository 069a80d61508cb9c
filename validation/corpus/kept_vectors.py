"""Vectors of passages that were embedded before, kept in a folder by model and by the sha256 of the text.

Only where the variable GATE_VECTORS names a folder, as the lab does: embedding its corpus takes two cores half a minute. In every run
a few of the kept ones are embedded anew; where one differs, another model is served under the same name, and all are. The report says how
many were kept. A file that is damaged is as none: it holds nothing that cannot be made again.
"""

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix

FOLDER_VARIABLE = "GATE_VECTORS"
_AGAIN = 8
_LEAST_COSINE = 0.9995
"""Of the same text by the same model: the last bits of half precision differ between machines, 4 bits instead of 32 make it 0.99."""


class KeptVectors:
    """The vectors of one model; with no folder nothing is kept."""

    def __init__(self, folder: str, model: str) -> None:
        name = hashlib.sha256(model.encode()).hexdigest()[:16]
        self._path = Path(folder) / f"{name}.npz" if folder else None
        self._rows, self.embedded = dict[str, Matrix](), 0  # how many texts the service was sent
        with suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            if self._path is not None:
                with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    self._rows = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def embed(self, chunks: Sequence[Chunk], embed: Callable[[Sequence[Chunk]], Matrix]) -> Matrix:
        """Return one row for each chunk, in order; `embed` is asked for those that are not kept, and for a few that are."""
        keys = [hashlib.sha256(chunk.passage.encode()).hexdigest() for chunk in chunks]
        known = [number for number, key in enumerate(keys) if key in self._rows]
        again = known[:: max(len(known) // _AGAIN, 1)]
        asked = sorted({*range(len(keys))} - {*known} | {*again})
        self.embedded += len(asked)
        made = dict(zip(asked, embed([chunks[number] for number in asked]), strict=True))
        if any(float(made[number] @ self._rows[keys[number]]) < _LEAST_COSINE for number in again):
            self._rows = {}
            return self.embed(chunks, embed)
        self._rows |= {keys[number]: vector for number, vector in made.items()}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            np.savez(self._path, keys=np.array(list(self._rows)), vectors=np.stack(list(self._rows.values())))
        return np.stack([self._rows[key] for key in keys])
