"""The language model: one streamed answer to one question about numbered sources, timed to its first token and to its end."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from validation.clients import http
from validation.clients.passages import Chunk
from validation.judge.errors import InvalidRunError, UsageError

_WHAT = "the LLM service"
_RULE = "Answer only from the numbered sources. Cite the source like [1]. If the sources do not answer, say so."


@dataclass(frozen=True, kw_only=True)
class Source:
    """A chunk that is shown to the model."""

    title: str
    document_id: str
    text: str
    chunk: Chunk | None = None
    """What it was made from; the model does not see its metadata."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and when."""

    text: str
    first_token_s: float
    total_s: float


def prompt(question: str, sources: Sequence[Source]) -> list[dict[str, str]]:
    """Return the messages: the rule, then the numbered sources and the question."""
    blocks = [f"[{number}] {source.title} ({source.document_id})\n{source.text}" for number, source in enumerate(sources, 1)]
    return [{"role": "system", "content": _RULE}, {"role": "user", "content": "\n\n".join([*blocks, f"Question: {question}"])}]


class LanguageModel:
    """A client of one OpenAI-compatible chat endpoint; close() it."""

    def __init__(self, url: str, model: str, timeout_s: float, access: http.Access | None = None) -> None:
        self._client: httpx.Client = http.open_client(url, timeout_s, access)
        self._model = model

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self, context_tokens: int) -> None:
        """Refuse a service that is not there, serves another model, or reads less than was declared."""
        entry = http.check_model(self._client, _WHAT, self._model)
        if entry is None:
            raise UsageError(f"{_WHAT} has no list of models at {self._client.base_url}models; give the base of its API, usually with /v1")
        length = entry.get("max_model_len")  # vLLM says it, others do not
        if isinstance(length, int) and length < context_tokens:
            raise InvalidRunError(
                f"{_WHAT} reads {length} tokens, declared are {context_tokens}: it would refuse the longest prompts; lower "
                "llm.context_tokens, or serve the model with a longer context"
            )

    def ask(self, question: str, sources: Sequence[Source]) -> Answer:
        """Ask once, streaming; InvalidRunError when no text comes back."""
        body = {"model": self._model, "messages": prompt(question, sources), "stream": True, "temperature": 0}
        begin, first_token_s, parts = time.perf_counter(), None, list[str]()
        with http.failures_named(_WHAT, self._client.base_url), self._client.stream("POST", "chat/completions", json=body) as response:
            http.refuse_failure(_WHAT, response)
            for part in _parts(response):
                if first_token_s is None:
                    first_token_s = time.perf_counter() - begin
                parts.append(part)
        if first_token_s is None:
            raise InvalidRunError(f"{_WHAT} ended its stream without a word")
        return Answer(text="".join(parts), first_token_s=first_token_s, total_s=time.perf_counter() - begin)


def _parts(response: httpx.Response) -> Iterator[str]:
    """Yield the pieces of text of a server-sent stream; the empty ones that open and close it are skipped."""
    for line in response.iter_lines():
        if not line.startswith("data:"):
            continue
        payload = line.removeprefix("data:").strip()
        if payload == "[DONE]":
            return
        if piece := _piece(payload):
            yield piece


def _piece(payload: str) -> str:
    try:
        event = json.loads(payload)
        if "error" in event:
            raise InvalidRunError(f"{_WHAT} broke off its answer: {event['error']}")
        choices = event.get("choices") or [{"delta": {}}]
        return choices[0]["delta"].get("content") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InvalidRunError(f"{_WHAT} streamed an event that cannot be read ({type(error).__name__}): {payload[:200]}") from None
