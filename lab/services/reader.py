"""`POST /v1/chat/completions` over the extractive reader, at once or as server-sent events.

Refuses what it could not honour: more than one choice, tools, a prompt that does not fit its context. `temperature` and the
like are accepted and change nothing: the same prompt always gets the same answer.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .answer import answer
from .prompt import parse
from .wire import ApiError, Fields, application, read_fields, token_estimate

MODEL = "lab-reader"
CONTEXT_TOKENS = 4096
MOST_BODY_BYTES = 1024 * 1024
_PIECE = re.compile(r"\s*\S+")
_EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, kw_only=True)
class _Prompt:
    """A checked request."""

    user: str
    """The last message of the user."""
    tokens: int
    most_tokens: int
    """For the answer."""
    stream: bool
    stream_usage: bool


@dataclass(frozen=True, kw_only=True)
class _Completion:
    """An answer, cut to the tokens allowed."""

    pieces: list[str]
    finish_reason: str
    usage: dict[str, int]


def reader(api_key: str = "") -> Starlette:
    """Return the application; "" asks for no key."""
    threads = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def completions(request: Request) -> Response:
        prompt = _checked(await read_fields(request, MOST_BODY_BYTES, MODEL))
        completion = await anyio.to_thread.run_sync(_completed, prompt, limiter=threads)
        head = {
            "id": f"chatcmpl-{hashlib.sha256(prompt.user.encode()).hexdigest()[:24]}",
            "created": int(time.time()),
            "model": MODEL,
        }
        if prompt.stream:
            return StreamingResponse(
                _events(head, completion, usage=prompt.stream_usage), media_type=_EVENT_STREAM, headers={"Cache-Control": "no-cache"}
            )
        return JSONResponse(_whole(head, completion))

    routes = [Route("/v1/chat/completions", completions, methods=["POST"])]
    return application(MODEL, routes, api_key=api_key, context_tokens=CONTEXT_TOKENS)


def _checked(fields: Fields) -> _Prompt:
    messages = _messages(fields.get("messages"))
    users = [text for role, text in messages if role == "user"]
    if not users or not users[-1].strip():
        raise ApiError("'messages' must hold a message of the user that is not empty.", param="messages", code="empty_input")
    if fields.get("n") not in (None, 1) or fields.get("tools"):
        raise ApiError("This stand-in gives one choice and uses no tools.", param="n" if fields.get("n") not in (None, 1) else "tools")
    tokens = sum(token_estimate(text) for _, text in messages)
    options = fields.get("stream_options")
    return _Prompt(
        user=users[-1],
        tokens=tokens,
        most_tokens=_answer_tokens(fields, tokens),
        stream=fields.get("stream") is True,
        stream_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _messages(given: object) -> list[tuple[str, str]]:
    """`(role, text)` of each message; a list of text parts is joined."""
    if not isinstance(given, list) or not given:
        raise ApiError("'messages' must be a list with at least one message.", param="messages")
    return [(_text_field(message, "role"), _content(message)) for message in given]


def _content(message: Any) -> str:  # noqa: ANN401  whatever JSON holds
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "\n".join(_text_field(part, "text") for part in content)
    return _text_field(message, "content")


def _text_field(given: Any, name: str) -> str:  # noqa: ANN401  whatever JSON holds
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(value, str):
        raise ApiError(
            f"'messages': each message needs a role and a text; '{name}' is not a string. Images are not supported.", param="messages"
        )
    return value.encode("utf-8", "replace").decode()  # half a surrogate pair is legal JSON, but could not be sent back


def _answer_tokens(fields: Fields, prompt_tokens: int) -> int:
    named = ("max_completion_tokens", "max_tokens")
    asked = next((fields[name] for name in named if fields.get(name) is not None), None)
    if asked is not None and (not isinstance(asked, int) or isinstance(asked, bool) or asked < 1):
        raise ApiError("'max_tokens' must be a whole number above 0.", param="max_tokens")
    left = CONTEXT_TOKENS - prompt_tokens
    if left < (asked or 1):
        needed = f"{prompt_tokens} tokens in the messages and {asked or 1} for the answer"
        raise ApiError(f"The context is {CONTEXT_TOKENS} tokens; this needs {needed}.", param="messages", code="context_length_exceeded")
    return asked or left


def _completed(prompt: _Prompt) -> _Completion:
    sources, question = parse(prompt.user)
    pieces, used = [], 0
    words = _PIECE.findall(answer(question, sources))
    for word in words:
        if used + token_estimate(word) > prompt.most_tokens:
            break
        pieces.append(word)
        used += token_estimate(word)
    usage = {"prompt_tokens": prompt.tokens, "completion_tokens": used, "total_tokens": prompt.tokens + used}
    return _Completion(pieces=pieces, finish_reason="stop" if len(pieces) == len(words) else "length", usage=usage)


def _whole(head: dict[str, Any], completion: _Completion) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(completion.pieces)}
    choice = {"index": 0, "message": message, "finish_reason": completion.finish_reason}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": completion.usage}


async def _events(head: dict[str, Any], completion: _Completion, *, usage: bool) -> AsyncIterator[str]:
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in completion.pieces)]
    for delta in deltas:
        yield _event(head, choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    yield _event(head, choices=[{"index": 0, "delta": {}, "finish_reason": completion.finish_reason}])
    if usage:
        yield _event(head, choices=[], usage=completion.usage)
    yield "data: [DONE]\n\n"


def _event(head: dict[str, Any], **fields: object) -> str:
    return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **fields}, ensure_ascii=False)}\n\n"
