"""From a question to an answer with its sources: passages, what the model says to them, and a checked link to each cited original.

A citation is one of the passages that the model was given; another number that it writes, or a document made it write, leads nowhere and
is named. A link is handed out only after the very version was read and its sha256 compared; that is remembered for a minute.

Requests and answers have the form of OpenAI's chat completions: the collection is the model, the last message of the user the question.
What is more than that form has fields of its own, which clients pass over: `passages`, `citations`, `uncited`, `answered`, `stages_ms`.
"""

import re
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from validation.ask.retrieval import MOST_PASSAGES, Passage, Query, Retriever, Stages
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.documents import DocumentStore
from validation.clients.llm import fitting
from validation.clients.passages import Chunk
from validation.corpus import grading
from validation.corpus.citation import Citation, citation_of, citation_problem
from validation.judge.errors import GateError

LINK_S = 900
_REMEMBERED_S = 60.0
MOST_CHARACTERS = 8_000  # of a question: more than any embedding model of the catalogue reads
_MARKDOWN = re.compile(r"[\[\]()<>`\\]")
Label = Annotated[str, Field(max_length=1_024)]


class RefusedError(Exception):
    """A request that is not answered: status, code and reason, as the OpenAI API tells them."""

    def __init__(self, status: int, code: str, reason: str, wait_s: int = 0) -> None:
        super().__init__(reason)
        self.status, self.code, self.wait_s = status, code, wait_s


@dataclass(frozen=True, kw_only=True)
class Cited:
    """One citation of an answer, followed to its original."""

    number: int
    passage: Passage
    link: str  # opens the original for LINK_S seconds; "" where there is a problem
    problem: str


class Answering:
    """Everything behind a question: usable from many threads, and asynchronously for answers."""

    def __init__(self, connector: Connector, tenants: Mapping[str, str] | None = None) -> None:
        self._target, models = connector.target, connector.models(120.0)
        self._llm, self.retriever = models.llm, Retriever(connector, models, tenants or {})
        self._open, self._lock, self._seen = connector.documents, threading.Lock(), dict[Citation, tuple[float, str]]()
        self._store: DocumentStore | None = None

    def link(self, chunk: Chunk) -> tuple[str, str]:
        """Return a link to an original and "", after its bytes were compared with what was read, or "" and why there is none."""
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

    def sources(self, passages: Sequence[Passage]) -> list[Chunk]:
        """Return what of them the model's context holds."""
        return fitting([passage.chunk for passage in passages], self._target.llm_context_tokens, self._target.llm_answer_tokens)

    async def answer(self, question: str, passages: Sequence[Passage], stages: Stages) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; `stages` has the time to the first and to the last of them."""
        begin, sources = time.perf_counter(), self.sources(passages)
        with stages.timed("answer"):
            async with aclosing(self._llm.stream(question, sources)) as pieces:
                async for piece in pieces:
                    stages.ms.setdefault("first_token", round((time.perf_counter() - begin) * 1e3, 2))
                    yield piece

    def cited(self, text: str, passages: Sequence[Passage], stages: Stages) -> tuple[list[Cited], list[int]]:
        """Return the citations of an answer, and the numbers in it that are none."""
        shown = len(self.sources(passages)) if passages else 0
        numbers, cited = grading.cited_numbers(text), list[Cited]()
        with stages.timed("originals"):
            for number in numbers:
                if 1 <= number <= shown:
                    link, problem = self.link(passages[number - 1].chunk)
                    cited.append(Cited(number=number, passage=passages[number - 1], link=link, problem=problem))
        return cited, [number for number in numbers if not 1 <= number <= shown]


def listed(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Return passages as JSON, numbered; ids are text, since JavaScript's numbers end at 2**53."""
    names, rows = ("title", "section", "page", "time_code", "language", "access", "source", "document_id", "position", "text", "sha256"), []
    for number, passage in enumerate(passages, 1):
        head = {"number": number, "id": str(passage.id), "score": round(passage.score, 4), "place": passage.place}
        rows.append(head | {name: getattr(passage.chunk, name) for name in names})
    return rows


def _cited_as_data(cited: Cited) -> dict[str, Any]:
    return {"number": cited.number, "id": str(cited.passage.id), "place": cited.passage.place, "link": cited.link, "problem": cited.problem}


def bypass_proxies(connector: Connector) -> None:
    """Ask every part of the target directly where it has a private address."""
    target, address = connector.target, connector.kubernetes.address
    urls = [target.milvus_uri, target.embedding_url, target.llm_url, target.object_store_endpoint]
    kube.bypass_proxies(map(address, [*urls, *([target.reranker.url] if target.reranker is not None else [])]))


class Chosen(BaseModel):
    """Which passages are looked for; fields of other services' dialects are passed over."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=MOST_PASSAGES)] = 8
    language: Label = ""
    access: Label = ""
    path: Label = ""

    def to_query(self, question: str, collection: str, database: str) -> Query:
        """Return the query; RefusedError for a question that is empty or too long."""
        if not question.strip():
            raise RefusedError(400, "ask.empty_question", "the question is empty")
        if len(question) > MOST_CHARACTERS:
            raise RefusedError(400, "ask.too_long", f"a question of {len(question):,} characters; at most {MOST_CHARACTERS:,} are read")
        named = {name: getattr(self, name) for name in ("limit", "language", "access", "path")}
        return Query(question=question, collection=collection, database=database, **named)


class SearchRequest(Chosen):
    """Body of /v1/search."""

    query: str
    collection: Annotated[str, Field(min_length=1, max_length=255)]


class Part(BaseModel):
    """One part of a message; only text is read."""

    text: str = ""


class Message(BaseModel):
    """One message."""

    role: str
    content: str | list[Part] | None = None


class ChatRequest(Chosen):
    """Body of /v1/chat/completions."""

    model: Annotated[str, Field(min_length=1, max_length=255)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)]
    stream: bool = False
    sources_in_text: bool = True  # close the answer with a list of what it cites, for clients that show nothing but text

    @property
    def question(self) -> str:
        """The last message of the user."""
        content = next((message.content for message in reversed(self.messages) if message.role == "user"), "") or ""
        return content if isinstance(content, str) else "\n".join(part.text for part in content)


@dataclass
class Completion:
    """One answer as it grows."""

    model: str
    passages: Sequence[Passage]
    stages: Stages
    text: str = ""
    cited: list[Cited] = field(default_factory=list)
    uncited: list[int] = field(default_factory=list)
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def first(self) -> dict[str, Any]:
        """Return the first event: the passages."""
        return self.event({"role": "assistant", "content": ""}) | {"passages": listed(self.passages), "stages_ms": dict(self.stages.ms)}

    def last(self) -> dict[str, Any]:
        """Return the event that ends it: citations and times."""
        return self.event({"annotations": list(self._annotations())}, "stop") | self.outcome()

    def whole(self, closing: str) -> dict[str, Any]:
        """Return it in one piece."""
        message = {"role": "assistant", "content": self.text + closing, "annotations": list(self._annotations())}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self.first() | {"object": "chat.completion", "choices": [choice]} | self.outcome()

    def sources(self) -> str:
        """Return the list of what is cited, as Markdown that no title can break."""
        lines = list[str]()
        for cited in self.cited:
            title, problem = (_MARKDOWN.sub(" ", text) for text in (cited.passage.place, cited.problem))
            lines.append(f"[{cited.number}] [{title}]({cited.link})" if cited.link else f"[{cited.number}] {title} (no link: {problem})")
        return "\n\n" + "  \n".join(lines) if lines else ""

    def event(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """Return an event with what it adds to the answer."""
        same = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return same | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    def outcome(self) -> dict[str, Any]:
        """Return what is cited, whether the question was answered, and what that took."""
        cited = {"citations": [_cited_as_data(each) for each in self.cited], "uncited": self.uncited}
        return cited | {"answered": bool(self.text) and not grading.is_refusal(self.text), "stages_ms": self.stages.ms}

    def _annotations(self) -> Iterator[dict[str, Any]]:
        links = {each.number: each for each in self.cited if each.link}
        for match in grading.CITATION.finditer(self.text):
            if (cited := links.get(int(match[1]))) is not None:
                place = {"start_index": match.start(), "end_index": match.end(), "title": cited.passage.place, "url": cited.link}
                yield {"type": "url_citation", "url_citation": place}
