"""The language model: one streamed answer to one question about numbered sources, timed to its first token and to its end.

What a model thinks before it answers is told apart: it is not its first token, and what it cites there does not count. A request that a
server refuses for its form alone is changed once and for all, and that is noted: the rule moves into the user's message where there is no
system role, `max_tokens` becomes `max_completion_tokens`.
"""

import itertools
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from validation.clients import http
from validation.clients.passages import Chunk
from validation.judge.errors import InvalidRunError, UsageError

_WHAT = "the LLM service"
_NO_SYSTEM_ROLE = re.compile(r"system role|roles must alternate|only user and assistant|system.{0,20}not supported", re.IGNORECASE)
_RENAMED = re.compile(r"max_tokens.{0,80}max_completion_tokens", re.DOTALL)
_NO_TEMPERATURE = re.compile(r"temperature", re.IGNORECASE)
_THINKING = re.compile(r"\A(?:\s*<think>)?(?P<thinking>.*?)</think>\s*", re.DOTALL)
"""Some templates put the opening tag into the prompt, so that only the closing one is in the answer."""
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
    """What is said to the user."""
    first_token_s: float
    """Until the first token of that."""
    total_s: float
    thinking: str = ""
    """What the model wrote to itself before."""
    is_cut: bool = False
    """Whether it was ended by the limit of its length."""


@dataclass
class _Stream:
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
        ends = itertools.accumulate(len(piece) for _, piece in self.content)
        first_token_s = next(second for (second, _), end in zip(self.content, ends, strict=True) if end > start)
        return Answer(text=whole[start:], first_token_s=first_token_s, total_s=total_s, thinking=thinking, is_cut=is_cut)


def prompt(question: str, sources: Sequence[Source], *, system_role: bool = True) -> list[dict[str, str]]:
    """Return the messages: the rule, then the numbered sources and the question; in one message for a model without a system role."""
    blocks = [f"[{number}] {source.title} ({source.document_id})\n{source.text}" for number, source in enumerate(sources, 1)]
    content = "\n\n".join([*blocks, f"Question: {question}"])
    if not system_role:
        return [{"role": "user", "content": f"{_RULE}\n\n{content}"}]
    return [{"role": "system", "content": _RULE}, {"role": "user", "content": content}]


class TemperatureError(UsageError):
    """The model refuses the temperature that is sent."""

    code = "models.temperature"


class LanguageModel(http.ModelClient):
    """A client of one OpenAI-compatible chat endpoint; close() it."""

    def __init__(
        self,
        url: str,
        model: str,
        timeout_s: float,
        access: http.Access | None = None,
        *,
        max_tokens: int = 512,
        temperature: float | None = 0,
    ) -> None:
        super().__init__(url, model, timeout_s, access)
        self._max_tokens, self._temperature = max_tokens, temperature
        self._length_field, self._system_role = "max_tokens", True
        self.notes: list[str] = []
        """How requests had to be changed, for the report."""

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
            raise InvalidRunError(
                f"{_WHAT} reads {length} tokens, declared are {context_tokens}: it would refuse the longest prompts; lower "
                "llm.context_tokens, or serve the model with a longer context"
            )

    def ask(self, question: str, sources: Sequence[Source]) -> Answer:
        """Ask once, streaming; InvalidRunError when no answer comes back."""
        while (answer := self._try(question, sources)) is None:
            pass  # the form of the request was changed, which each of them can be once
        return answer

    def _try(self, question: str, sources: Sequence[Source]) -> Answer | None:
        """Return the answer; None where the server refused the form of the request, which is changed now."""
        body = {
            "model": self._model,
            "messages": prompt(question, sources, system_role=self._system_role),
            "stream": True,
            self._length_field: self._max_tokens,
            **({"temperature": self._temperature} if self._temperature is not None else {}),
        }
        begin, arrived = time.perf_counter(), _Stream()
        with http.failures_named(_WHAT, self._client.base_url), self._client.stream("POST", "chat/completions", json=body) as response:
            if not response.is_success and self._is_changed_for(response.read().decode(errors="replace")):
                return None
            http.refuse_failure(_WHAT, response)
            for delta, finish_reason in _events(response):
                arrived.finish_reason = finish_reason or arrived.finish_reason
                arrived.thinking += [text for name in ("reasoning_content", "reasoning") if (text := delta.get(name))]
                if piece := delta.get("content"):
                    arrived.content.append((time.perf_counter() - begin, piece))
        return arrived.answer(time.perf_counter() - begin, self._max_tokens)

    def _is_changed_for(self, refusal: str) -> bool:
        """Change the form of requests if that is what a refusal is about; UsageError where only a setting can."""
        if self._system_role and _NO_SYSTEM_ROLE.search(refusal):
            self._system_role = False
            self.notes.append(f"{_WHAT} has no system role: the rule of how to answer is part of the question")
            return True
        if self._length_field == "max_tokens" and _RENAMED.search(refusal):
            self._length_field = "max_completion_tokens"
            self.notes.append(f"{_WHAT} wants max_completion_tokens in the place of max_tokens")
            return True
        if self._temperature is not None and _NO_TEMPERATURE.search(refusal):
            raise TemperatureError(
                f"{_WHAT} refuses temperature {self._temperature:g}: {' '.join(refusal.split())[:200]}; leave it out: llm.temperature: null"
            )
        return False


def _events(response: httpx.Response) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what each event of a server-sent stream adds, and why the stream ends."""
    payloads = (line.removeprefix("data:").strip() for line in response.iter_lines() if line.startswith("data:"))
    for payload in itertools.takewhile(lambda payload: payload != "[DONE]", payloads):
        try:
            event = json.loads(payload)
            if "error" in event:
                raise InvalidRunError(f"{_WHAT} broke off its answer: {event['error']}")
            choice = (event.get("choices") or [{"delta": {}}])[0]
            added = dict(choice["delta"]), choice.get("finish_reason") or ""
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise InvalidRunError(f"{_WHAT} streamed an event that cannot be read ({type(error).__name__}): {payload[:200]}") from None
        yield added
