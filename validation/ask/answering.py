"""From a question to an answer with its sources: passages, what the model says to them, and a checked link to each cited original.

A citation is one of the passages that the model was given; another number that it writes, or a document made it write, leads nowhere and
is named. A link is handed out only after the very version was read and its sha256 compared; that is remembered for a minute.
"""

import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from validation.ask.retrieval import Passage, Query, Retriever, Stages
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.documents import DocumentStore
from validation.clients.llm import Source, fitting
from validation.clients.passages import Chunk
from validation.corpus import grading
from validation.corpus.citation import Citation, citation_of, citation_problem
from validation.judge.errors import GateError

LINK_S = 900
_REMEMBERED_S = 60.0
_LLM_TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Cited:
    """One citation of an answer, followed to its original."""

    number: int
    passage: Passage
    link: str  # opens the original for LINK_S seconds; "" where there is a problem
    problem: str


class Originals:
    """Links to originals, each after its bytes were compared with what was read."""

    def __init__(self, open_store: Callable[[], DocumentStore]) -> None:
        self._open, self._lock, self._seen = open_store, threading.Lock(), dict[Citation, tuple[float, str]]()
        self._store: DocumentStore | None = None

    def link(self, chunk: Chunk) -> tuple[str, str]:
        """Return a link and "", or "" and why there is none."""
        try:
            with self._lock:
                store = self._store = self._store or self._open()
            citation = citation_of(vars(chunk), store.bucket)
            checked_s, problem = self._seen.get(citation, (0.0, ""))
            if not checked_s or time.monotonic() - checked_s > _REMEMBERED_S:
                problem = citation_problem(store, citation)
                self._seen = {**dict(list(self._seen.items())[-999:]), citation: (time.monotonic(), problem)}
            return ("", problem) if problem else (store.link(citation.key, citation.version_id, LINK_S), "")
        except GateError as error:
            return "", str(error)


class Answering:
    """Everything behind a question: usable from many threads, and asynchronously for answers."""

    def __init__(self, connector: Connector, tenants: Mapping[str, str] | None = None) -> None:
        self._target, models = connector.target, connector.models(_LLM_TIMEOUT_S)
        self._llm = models.llm
        self.retriever = Retriever(connector, models, tenants or {})
        self.originals = Originals(connector.documents)

    def search(self, query: Query, stages: Stages) -> list[Passage]:
        """Return the passages, best first, as many as the model is given."""
        return self.retriever.search(query, stages)

    def sources(self, passages: Sequence[Passage]) -> list[Source]:
        """Return what of them the model's context holds."""
        return fitting([passage.chunk for passage in passages], self._target.llm_context_tokens, self._target.llm_answer_tokens)

    async def answer(self, question: str, passages: Sequence[Passage], stages: Stages) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; `stages` has the time to the first and to the last of them."""
        begin, sources = time.perf_counter(), self.sources(passages)
        try:
            async with aclosing(self._llm.stream(question, sources)) as pieces:
                async for piece in pieces:
                    stages.ms.setdefault("first_token", _since_ms(begin))
                    yield piece
        finally:
            stages.ms["answer"] = _since_ms(begin)

    def cited(self, text: str, passages: Sequence[Passage], stages: Stages) -> tuple[list[Cited], list[int]]:
        """Return the citations of an answer, and the numbers in it that are none."""
        shown = len(self.sources(passages)) if passages else 0
        numbers, cited = grading.cited_numbers(text), list[Cited]()
        with stages.timed("originals"):
            for number in numbers:
                if 1 <= number <= shown:
                    link, problem = self.originals.link(passages[number - 1].chunk)
                    cited.append(Cited(number=number, passage=passages[number - 1], link=link, problem=problem))
        return cited, [number for number in numbers if not 1 <= number <= shown]


def as_data(passage: Passage, number: int) -> dict[str, Any]:
    """Return a passage as JSON; ids are text, since JavaScript's numbers end at 2**53."""
    chunk = passage.chunk
    names = ("title", "section", "page", "time_code", "language", "access", "source", "document_id", "position", "text", "sha256")
    named = {name: getattr(chunk, name) for name in names}
    return {"number": number, "id": str(passage.id), "score": round(passage.score, 4), "place": passage.place, **named}


def cited_as_data(cited: Cited) -> dict[str, Any]:
    """Return a citation as JSON."""
    return {"number": cited.number, "id": str(cited.passage.id), "place": cited.passage.place, "link": cited.link, "problem": cited.problem}


def bypass_proxies(connector: Connector) -> None:
    """Ask every part of the target directly where it has a private address."""
    target, address = connector.target, connector.kubernetes.address
    urls = [target.milvus_uri, target.embedding_url, target.llm_url, target.object_store_endpoint]
    kube.bypass_proxies(map(address, [*urls, *([target.reranker.url] if target.reranker is not None else [])]))


def _since_ms(begin: float) -> float:
    return round((time.perf_counter() - begin) * 1e3, 2)
