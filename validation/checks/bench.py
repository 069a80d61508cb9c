"""What the checks share: the promises, the data, the open clients, and the record they write to."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from validation.checks.seams import Seams
from validation.clients.documents import DocumentStore
from validation.clients.embedding import EmbeddingService
from validation.clients.llm import LanguageModel
from validation.clients.milvus import Collection, Row, VectorStore
from validation.clients.passages import Chunk
from validation.clients.reranker import Reranker
from validation.clients.target import Target
from validation.clients.vectors import Matrix
from validation.corpus.documents import Corpus
from validation.corpus.generator import Generated
from validation.judge.errors import InvalidRunError
from validation.judge.profile import Profile
from validation.load.open_loop import Shot
from validation.load.plan import Columns
from validation.run.progress import Reporter
from validation.run.record import Record


@dataclass(frozen=True, kw_only=True)
class Services:
    """The target's parts, connected."""

    milvus: VectorStore
    documents: DocumentStore
    embedding: EmbeddingService
    llm: LanguageModel
    reranker: Reranker | None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run's set-up."""

    profile: Profile
    target: Target
    corpus: Corpus
    seed: int
    keep: bool
    record: Record
    reporter: Reporter
    seams: Seams
    closing: ExitStack
    """Undone in reverse order when the run ends, however it ends."""
    collection: str = ""
    """A collection that is there already, to be judged without writing; "" for one of the run's own."""
    pods: int = 0
    """How many pods of a Job send the searches; 0 for processes of this machine."""

    def promises(self, *prefixes: str) -> bool:
        """Whether the SLO file has an objective whose name begins so: what nobody promised is not worth the seconds it takes."""
        return any(name.startswith(prefixes) for name in self.profile.objectives)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A collection that is complete, indexed and loaded, and what is known to be in it."""

    collection: Collection
    rows: list[Row]
    matrix: Matrix
    generated: list[Generated]
    places: Mapping[int, int] | None = None
    """Row in the matrix by the id that Milvus has for it; None where they are the same."""

    def rows_of(self, ids: Sequence[int]) -> list[int]:
        """Return the rows that these ids stand for; InvalidRunError for one that came while the run went on."""
        if self.places is None:
            return list(ids)
        try:
            return [self.places[one] for one in ids]
        except KeyError as error:
            raise InvalidRunError(
                f"{self.collection.name} was written to while it was judged (row {error}): run again when nobody does"
            ) from None

    def chunks(self, ids: Sequence[int]) -> list[Chunk]:
        """Return the chunks of the rows that a search found; InvalidRunError for one that was never sent."""
        found = self.rows_of(ids)
        if strange := [row for row in found if not 0 <= row < len(self.rows)]:
            raise InvalidRunError(
                f"a search of {self.collection.name} found row {strange[0]}, which was never sent: this is not what it says"
            )
        return [self.rows[row].chunk for row in found]

    def extended(self, rows: list[Row], vectors: Matrix) -> "Loaded":
        """Return what is known once these rows are in the collection too."""
        return replace(self, rows=[*self.rows, *rows], matrix=np.vstack([self.matrix, vectors]))

    def in_rows(self, shots: Iterable[Shot]) -> list[Shot]:
        """Return the shots with rows in the place of ids."""
        return [replace(shot, ids=self.rows_of(shot.ids)) for shot in shots]

    def columns(self) -> Columns:
        """Return the scalar fields that filters look at, as arrays."""
        return Columns(
            language=np.array([row.chunk.language for row in self.rows]),
            bucket=np.array([row.bucket for row in self.rows], dtype=np.int64),
        )
