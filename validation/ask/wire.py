"""Requests and answers in the form of OpenAI's chat completions: the collection is the model, the last message of the user the question.

What is more than that form has fields of its own, which clients pass over: `passages`, `citations`, `uncited`, `answered`, `stages_ms`.
"""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from validation.ask.answering import Cited, as_data, cited_as_data
from validation.ask.doors import RefusedError
from validation.ask.retrieval import MOST_PASSAGES, Passage, Query, Stages
from validation.corpus import grading

MOST_CHARACTERS = 8_000  # of a question: more than any embedding model of the catalogue reads
_CITATION = re.compile(r"\[(\d{1,3})\]")
_MARKDOWN = re.compile(r"[\[\]()<>`\\]")
Label = Annotated[str, Field(max_length=1_024)]


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
        listed = [as_data(passage, number) for number, passage in enumerate(self.passages, 1)]
        return self._event({"role": "assistant", "content": ""}) | {"passages": listed, "stages_ms": dict(self.stages.ms)}

    def piece(self, text: str) -> dict[str, Any]:
        """Return the event of a piece of text."""
        return self._event({"content": text})

    def last(self) -> dict[str, Any]:
        """Return the event that ends it: citations and times."""
        return self._event({"annotations": list(self._annotations())}, "stop") | self._more()

    def whole(self, closing: str) -> dict[str, Any]:
        """Return it in one piece."""
        message = {"role": "assistant", "content": self.text + closing, "annotations": list(self._annotations())}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self.first() | {"object": "chat.completion", "choices": [choice]} | self._more()

    def sources(self) -> str:
        """Return the list of what is cited, as Markdown that no title can break."""
        lines = list[str]()
        for cited in self.cited:
            title, problem = (_MARKDOWN.sub(" ", text) for text in (cited.passage.place, cited.problem))
            lines.append(f"[{cited.number}] [{title}]({cited.link})" if cited.link else f"[{cited.number}] {title} (no link: {problem})")
        return "\n\n" + "  \n".join(lines) if lines else ""

    def _event(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        same = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return same | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    def _more(self) -> dict[str, Any]:
        answered = bool(self.cited) or not grading.is_refusal(self.text)
        cited = {"citations": [cited_as_data(each) for each in self.cited], "uncited": self.uncited}
        return cited | {"answered": answered, "stages_ms": self.stages.ms}

    def _annotations(self) -> Iterator[dict[str, Any]]:
        links = {each.number: each for each in self.cited if each.link}
        for match in _CITATION.finditer(self.text):
            if (cited := links.get(int(match[1]))) is not None:
                place = {"start_index": match.start(), "end_index": match.end(), "title": cited.passage.place, "url": cited.link}
                yield {"type": "url_citation", "url_citation": place}
