"""The language model: one streamed answer to one question about numbered sources, timed to its first token and to its end.

What a model thinks before it answers is told apart: it is not its first token, and what it cites there does not count. A request that a
server refuses for its form alone is changed once and for all, and that is noted: the rule moves into the user's message where there is no
system role, `max_tokens` becomes `max_completion_tokens`.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx

from validation.clients import http
from validation.clients.http import Access
from validation.clients.passages import Chunk
from validation.judge.errors import InvalidRunError, UnreachableError, UsageError

_WHAT = "the LLM service"
_NO_SYSTEM_ROLE = r"system role|roles must alternate|only user and assistant|system.{0,20}not supported"
_Answered = TypeVar("_Answered")

_THINKING = re.compile(r"\A(?:\s*<think>)?(?P<thinking>.*?)</think>\s*", re.DOTALL)
"""Some templates put the opening tag into the prompt, so that only the closing one is in the answer."""

_CHARACTERS_PER_TOKEN = 2  # fewer than any common tokenizer needs for English or German, so that what is sent always fits
_LONGEST_TOKEN = 20  # letters: an answer with more than this many for each token that was allowed has ignored its limit
END = "[DONE]"
_BROKEN_OFF = f"{_WHAT} broke off its answer after {{}} letters: neither {END} nor a reason to finish came"
_RULE = "Answer only from the numbered sources. Cite the source like [1]. If the sources do not answer, say so."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and when."""

    text: str  # what is said to the user
    first_token_s: float  # until the first token of that
    total_s: float
    thinking: str = ""  # what the model wrote to itself before
    is_cut: bool = False  # whether it was ended by the limit of its length


@dataclass
class Arrived:
    """What has arrived of one answer, each piece with its second."""

    content: list[tuple[float, str]] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    finish_reason: str = ""

    def answer(self, total_s: float, max_tokens: int) -> Answer:
        """Tell thinking from answer; InvalidRunError where no answer is left."""
        whole = "".join(piece for _, piece in self.content)
        tagged = _THINKING.match(whole)
        start = tagged.end() if tagged is not None else len(whole) if whole.lstrip().startswith("<think>") else 0
        thinking = "".join(self.thinking) + (tagged["thinking"] if tagged is not None else whole[:start])
        is_cut = self.finish_reason == "length"
        if not whole[start:].strip():
            limit = f", cut after {max_tokens} tokens: raise llm.answer_tokens" if is_cut else ""
            raise InvalidRunError(f"{_WHAT} ended its stream without a word{' but its thinking' if thinking else ''}{limit}")
        if not self.finish_reason:
            raise InvalidRunError(_BROKEN_OFF.format(len(whole)))
        begin = len(whole) - len(whole[start:].lstrip())  # white space is no token that anybody sees
        ends = itertools.accumulate(len(piece) for _, piece in self.content)
        first_token_s = next(second for (second, _), end in zip(self.content, ends, strict=True) if end > begin)
        return Answer(text=whole[start:], first_token_s=first_token_s, total_s=total_s, thinking=thinking, is_cut=is_cut)


def prompt(question: str, sources: Sequence[Chunk], *, system_role: bool = True) -> list[dict[str, str]]:
    """Return the messages: the rule, then the numbered sources and the question; in one message for a model without a system role.

    Of the metadata of a source the model sees title and document.
    """
    blocks = [f"[{number}] {source.title} ({source.document_id})\n{source.text}" for number, source in enumerate(sources, 1)]
    content = "\n\n".join(["" if system_role else _RULE, *blocks, f"Question: {question}"]).lstrip("\n")
    return [{"role": "system", "content": _RULE}] * system_role + [{"role": "user", "content": content}]


def fitting(chunks: Sequence[Chunk], context_tokens: int, answer_tokens: int) -> list[Chunk]:
    """Return those of the chunks that the model's context holds; refuse a context that does not hold even one."""
    left, sources = (context_tokens - answer_tokens) * _CHARACTERS_PER_TOKEN, list[Chunk]()
    for chunk in chunks:
        text = chunk.title + chunk.text  # of which a letter of Chinese or Japanese can be two tokens
        left -= len(text) + (2 * _CHARACTERS_PER_TOKEN - 1) * sum(letter > "\u2e80" for letter in text)
        if left < 0:
            break
        sources.append(chunk)
    if chunks and not sources:
        raise UsageError.of("llm.small_context", context_tokens=context_tokens, letters=len(chunks[0].text))
    return sources


class LanguageModel(http.ModelClient):
    """A client of one OpenAI-compatible chat endpoint; close() it."""

    def __init__(
        self, url: str, model: str, timeout_s: float, access: Access | None = None, *, max_tokens: int = 512, temperature: float | None = 0
    ) -> None:
        super().__init__(url, model, timeout_s, access)
        self._timeout_s = timeout_s
        self._open_async = partial(http.open_async_client, url, timeout_s, access)
        self._max_tokens, self._temperature = max_tokens, temperature
        self._length_field, self._system_role = "max_tokens", True
        self.notes: list[str] = []  # how requests had to be changed, for the report

    def check(self, context_tokens: int) -> None:
        """Refuse a service that is not there, serves another model, or reads less than was declared."""
        entry = http.check_model(self._client, _WHAT, self._model)
        if entry is None:
            raise UsageError(f"{_WHAT} has no list of models at {self._client.base_url}models; give the base of its API, usually with /v1")
        meta = entry.get("meta")
        length = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)  # vLLM; llama.cpp
        if not isinstance(length, int):
            self.notes.append(f"{_WHAT} does not say how much it reads: llm.context_tokens {context_tokens} is not verified")
        elif length < context_tokens:
            raise InvalidRunError.of("llm.short_context", what=_WHAT, length=length, context_tokens=context_tokens)

    def ask(self, question: str, sources: Sequence[Chunk]) -> Answer:
        """Ask once, streaming; InvalidRunError when no answer comes back."""
        while True:
            body, begin, arrived = self._body(question, sources), time.perf_counter(), Arrived()
            with http.asking(_WHAT, self._client), self._client.stream("POST", "chat/completions", json=body) as response:
                if not response.is_success and self._is_changed_for(response.read().decode(errors="replace")):
                    continue  # the form of the request was changed, which each of them can be once
                http.refuse_failure(_WHAT, response)
                for delta, finish_reason in map(_event, payloads(response)):
                    arrived.finish_reason = arrived.finish_reason or finish_reason
                    arrived.thinking += [text for name in ("reasoning_content", "reasoning") if (text := delta.get(name))]
                    if piece := delta.get("content"):
                        arrived.content.append((time.perf_counter() - begin, piece))
                        letters = sum(len(text) for _, text in arrived.content) if len(arrived.content) > self._max_tokens else 0
                        if letters > _LONGEST_TOKEN * self._max_tokens:
                            raise InvalidRunError.of("llm.endless", what=_WHAT, letters=letters, max_tokens=self._max_tokens)
            return arrived.answer(time.perf_counter() - begin, self._max_tokens)

    async def stream(self, question: str, sources: Sequence[Chunk]) -> AsyncGenerator[str, None]:
        """Yield what is said to the user as it comes; to close it ends the request. InvalidRunError where it is silent or breaks off."""
        spoken, finish_reason, until_s = _Spoken(), "", asyncio.get_running_loop().time() + self._timeout_s
        async with self._open_async() as client:
            while True:
                with http.failures_named(_WHAT, client.base_url):
                    request = client.build_request("POST", "chat/completions", json=self._body(question, sources))
                    async with aclosing(await self._until(until_s, client.send(request, stream=True))) as response:
                        if not response.is_success and self._is_changed_for((await response.aread()).decode(errors="replace")):
                            continue
                        http.refuse_failure(_WHAT, response)
                        lines, payload = response.aiter_lines(), None
                        while payload != END and (line := await self._until(until_s, anext(lines, None))) is not None:
                            payload = _payload(line)
                            delta, reason = _event(payload)
                            finish_reason = finish_reason or reason
                            if piece := spoken.add(delta.get("content") or ""):
                                yield piece
                        break
        if finish_reason == "length":
            raise InvalidRunError(f"{_WHAT} cut its answer after {self._max_tokens} tokens: raise llm.answer_tokens")
        if not spoken.has_spoken:
            raise InvalidRunError(f"{_WHAT} ended its stream without a word")
        if not finish_reason:
            raise InvalidRunError(_BROKEN_OFF.format(spoken.letters))

    async def _until(self, until_s: float, awaited: Awaitable[_Answered]) -> _Answered:
        """Return what is awaited; UnreachableError once the whole answer has taken its time."""
        try:
            async with asyncio.timeout_at(until_s):
                return await awaited
        except TimeoutError:
            raise UnreachableError(f"{_WHAT} did not end its answer within {self._timeout_s:g} s") from None

    def _body(self, question: str, sources: Sequence[Chunk]) -> dict[str, Any]:
        form = {"model": self._model, "messages": prompt(question, sources, system_role=self._system_role), "stream": True}
        return form | {self._length_field: self._max_tokens} | ({"temperature": self._temperature} if self._temperature is not None else {})

    def _is_changed_for(self, refusal: str) -> bool:
        """Change the form of requests if that is what a refusal is about; UsageError where only a setting can."""
        if self._system_role and re.search(_NO_SYSTEM_ROLE, refusal, re.IGNORECASE):
            self._system_role = False
            self.notes.append(f"{_WHAT} has no system role: the rule of how to answer is part of the question")
            return True
        if self._length_field == "max_tokens" and re.search(r"max_tokens.{0,80}max_completion_tokens", refusal, re.DOTALL):
            self._length_field = "max_completion_tokens"
            self.notes.append(f"{_WHAT} wants max_completion_tokens in the place of max_tokens")
            return True
        if self._temperature is not None and "temperature" in refusal.lower():
            refused = f"{_WHAT} refuses temperature {self._temperature:g}: {' '.join(refusal.split())[:200]}"
            raise UsageError(f"{refused}; leave it out: llm.temperature: null", code="models.temperature")
        return False


def payloads(response: httpx.Response) -> Iterator[str]:
    """Yield each event of a server-sent stream, END as the last."""
    for payload in map(_payload, response.iter_lines()):
        if payload is not None:
            yield payload
        if payload == END:
            return


def _payload(line: str) -> str | None:
    return line.removeprefix("data:").strip() if line.startswith("data:") else None


def _event(payload: str | None) -> tuple[dict[str, Any], str]:
    """Return what one event adds, and why the stream ends."""
    if payload is None or payload == END:
        return {}, payload or ""
    try:
        event = json.loads(payload)
        if "error" in event:
            raise InvalidRunError(f"{_WHAT} broke off its answer: {event['error']}")
        choice = (event.get("choices") or [{"delta": {}}])[0]
        return dict(choice["delta"]), choice.get("finish_reason") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InvalidRunError(f"{_WHAT} streamed an event that cannot be read ({type(error).__name__}): {payload[:200]}") from None


class _Spoken:
    """Takes an answer piece by piece, and gives back what the user hears: nothing up to the end of <think>...</think> at its beginning."""

    def __init__(self) -> None:
        self.has_spoken, self._held, self._decided, self.letters = False, "", False, 0

    def add(self, piece: str) -> str:
        """Return what can be said now."""
        self.letters += len(piece)
        if not self._decided:
            self._held += piece
            begin = self._held.lstrip()
            if begin.startswith("<think>"):
                self._decided, piece = "</think>" in begin, begin.partition("</think>")[2].lstrip()
            else:
                self._decided, piece = not "<think>".startswith(begin), begin
        self.has_spoken = self.has_spoken or (self._decided and bool(piece.strip()))
        return piece if self._decided else ""
