"""What drills and soaks load a deployed stack with, and how they count: numbered documents, questions, a constant rate beside the fault.

Every batch that Milvus acknowledged is read back with Strong consistency, and compared field by field: what is missing is lost.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import grpc
import numpy as np
from pymilvus import MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.checks import timed
from validation.checks.context import RunContext
from validation.clients.milvus import Collection, Row
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.experiments.during import Requests, beside
from validation.judge.errors import GateError, Outcome
from validation.judge.judgement import Grade
from validation.load.open_loop import Sample
from validation.reports import model
from validation.run.record import Record

BATCH = 10
_FIRST, _READ_AT_ONCE = 500, 500


def document(number: int) -> Row:
    """Return a document whose text says its number, with the sha256 of that text."""
    text = f"document {number} of a drill"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    names: Any = {"document_id": str(number), "title": "drill", "section": "", "language": "en", "source": f"drill/{number}"}
    return Row(id=number, bucket=number % 100, chunk=Chunk(**names, sha256=sha256, text=text))


class Writer:
    """Inserts documents one batch after another, and remembers which Milvus acknowledged, and which of them were lost or altered."""

    def __init__(self, collection: Collection, dimension: int) -> None:
        self.collection, self._dimension, self._next = collection, dimension, 0
        self.acknowledged = list[int]()  # not yet read back
        self.refused = 0  # batches whose insert failed: nobody was told that they are there
        self.read_back, self.lost, self.altered = 0, list[int](), list[int]()
        self._old = list[int]()

    @property
    def total(self) -> int:
        """How many were acknowledged."""
        return self.read_back + len(self.acknowledged)

    def vectors(self, count: int, first: int = 0) -> Matrix:
        """Return the vectors of so many documents."""
        drawn = [np.random.default_rng(number).standard_normal(self._dimension, dtype=np.float32) for number in range(first, first + count)]
        return unit(np.array(drawn))

    def begin(self, patience_s: float, first: int = _FIRST) -> None:
        """Insert the first documents, and wait until they are found."""
        for _ in range(first // BATCH):
            self.once()
        self.collection.wait_until_found(document(0), self.vectors(1)[0], patience_s)

    def once(self) -> None:
        """Insert one batch; its numbers are not used again, whatever comes of it."""
        numbers = range(self._next, self._next + BATCH)
        self._next += BATCH
        try:
            written = self.collection.write([document(number) for number in numbers], self.vectors(BATCH, numbers[0]), replacing=False)
        except (MilvusException, grpc.RpcError, ValueError):
            written = 0
        self.acknowledged += numbers if written == BATCH else ()
        self.refused += written != BATCH

    def once_within(self, most: int) -> None:
        """Insert one batch; where there are more than `most`, read the oldest back, and delete them: the next time, where Milvus fails."""
        self.once()
        with suppress(GateError, MilvusException, grpc.RpcError):
            if len(self.acknowledged) > most and not self._old:
                self._old = self.check()
            if self._old:
                self.collection.delete(self._old)
                self._old = []

    def check(self) -> list[int]:
        """Read the oldest back, note which are lost or altered, and return all of them; GateError where Milvus fails."""
        numbers = self.acknowledged[:_READ_AT_ONCE]
        there, expected = self.collection.read(numbers), {number: document(number).fields() for number in numbers}
        self.lost += [number for number in numbers if number not in there]
        self.altered += [n for n in numbers if n in there and {name: there[n][name] for name in expected[n]} != expected[n]]
        del self.acknowledged[: len(numbers)]
        self.read_back += len(numbers)
        return numbers

    def seal(self) -> None:
        """Let Milvus write to its store what it acknowledged; whether it can is what the drill is about."""
        with suppress(GateError, MilvusException, grpc.RpcError):
            self.collection.flush()


@dataclass(kw_only=True)
class LoadRecord(Record):
    """What was counted of the load."""

    writer: Writer | None = None
    searches: Requests = field(default_factory=Requests)
    questions: Requests = field(default_factory=Requests)

    def judged(self, search_s: float, question_s: float) -> list[model.ObjectiveResult]:
        """Judge whether each document is there, unchanged, and for how long nobody was served."""
        rows, writer = list[model.ObjectiveResult](), self.writer
        is_read_back = writer is not None and not writer.acknowledged
        for name, numbers in (("lost", writer.lost), ("altered", writer.altered)) if writer else ():
            value, why = float(len(numbers)) if numbers or is_read_back else None, f"such as {numbers[0]}" if numbers else ""
            rows.append(model.at_most(f"documents_{name}", value, "documents", 0, why=why))
        for name, requests, good_s in (("search", self.searches, search_s), ("answer", self.questions, question_s)):
            worst = max(requests.outages, key=lambda each: each.seconds, default=None)
            why = worst.first_error if worst and worst.seconds > good_s else ""
            rows.append(model.at_most(f"longest_without_{name}", requests.longest_s if requests.sent else None, "s", good_s, why=why))
        outages = self.searches.outages + self.questions.outages
        return [*rows, model.at_most("outages_not_ended", float(sum(not each.ended for each in outages)), "outages", 0)]

    @property
    def rows(self) -> list[model.ObjectiveResult]:
        """What is judged."""
        raise NotImplementedError

    def conclusion(self) -> tuple[Outcome, str]:
        """Return FAIL where a limit is broken, INVALID where something is not measured or not decided, and which."""
        rows, kinds = self.rows, {"searches": self.searches, "questions": self.questions}
        seen = [
            f"{len(each.lost)} of {each.total:,} acknowledged writes lost, {len(each.altered)} altered" for each in [self.writer] if each
        ]
        seen += [f"{each.failed:,} of {each.sent:,} {kind} failed, longest {each.longest_s:.1f} s without" for kind, each in kinds.items()]
        failed = [row for row in rows if row.grade is Grade.FAIL]
        broken = [f"{row.sli} {row.value:.4g} {row.unit}, limit {row.limit}{row.why and ', '}{row.why}" for row in failed]
        left_open = [f"{row.sli} {row.grade}" for row in rows if row.grade in {Grade.UNMEASURED, Grade.UNDECIDED}]
        outcome, problems = Outcome.FAIL if broken else Outcome.INVALID if left_open else Outcome.PASS, "; ".join([*broken, *left_open])
        return outcome, f"{problems} ({'; '.join(seen)})" if problems else "; ".join(seen)

    def read_back(self) -> None:
        """Read every acknowledged document."""
        with self.check("read_back", "Is every acknowledged document there, unchanged?"):
            while self.writer and self.writer.acknowledged:
                self.writer.check()

    def counts(self) -> dict[str, Any]:
        """Return it as plain data."""
        counted = {name: asdict(getattr(self, name)) for name in ("searches", "questions")}
        names = ("refused", "lost", "altered") if self.writer else ()
        return counted | {name: getattr(self.writer, name) for name in names} | {"acknowledged": self.writer.total if self.writer else 0}


def ask(run: RunContext, collection: Collection, asked: list[Sample]) -> None:
    """Ask one thing as users do, of the embedding service, then of Milvus, and note how it ended."""
    begin_s, error, ids = time.monotonic(), "", list[int]()
    try:
        vector = run.services.embedding.embed_queries(["What does a drill cost?"])[0]
        ids = collection.nearest(vector, timed.TOP_K, run.profile.search)
    except GateError as problem:
        error = str(problem)
    asked.append(Sample(len(asked), begin_s, begin_s, time.monotonic(), ids, error or ("" if ids else "nothing was found")))


@contextmanager
def repeated(*loads: tuple[Callable[[], object], float]) -> Iterator[None]:
    """Call each again and again, so many seconds apart, beside the block and each other, and wait for the last calls."""

    def going(once: Callable[[], object], every_s: float, stopped: threading.Event) -> None:
        while not stopped.wait(every_s):
            once()

    with ExitStack() as running:
        for load in loads:
            running.enter_context(beside(partial(going, *load)))
        yield
