"""`POST /v1/chat/completions` over the extractive reader, at once or as server-sent events.

Refuses what it could not honour: more than one choice, tools, a prompt that does not fit its context. `temperature` and the
like are accepted and change nothing: the same prompt always gets the same answer.
"""

import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse

from .answer import answer, parse
from .wire import ApiError, Fields, application

MODEL = "lab-reader"
CONTEXT_TOKENS = 4096
_PIECE = re.compile(r"\s*\S+")


def reader(api_key: str = "") -> Starlette:
    """Return the application; "" asks for no key."""
    path = "/v1/chat/completions"
    return application(MODEL, path, _complete, api_key=api_key, context_tokens=CONTEXT_TOKENS, most_body_bytes=1024 * 1024)


def _complete(fields: Fields) -> Response:
    user, prompt_tokens = _prompt(fields)
    most_tokens = _answer_tokens(fields, prompt_tokens)
    sources, question = parse(user)
    pieces, used, reason = _cut(answer(question, sources), most_tokens)
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": used, "total_tokens": prompt_tokens + used}
    head = {"id": f"chatcmpl-{hashlib.sha256(user.encode()).hexdigest()[:24]}", "created": int(time.time()), "model": MODEL}
    if fields.get("stream") is not True:
        choice = {"index": 0, "message": {"role": "assistant", "content": "".join(pieces)}, "finish_reason": reason}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    options = fields.get("stream_options")
    asks_usage = isinstance(options, dict) and options.get("include_usage") is True
    events = _events(head, pieces, reason, usage if asks_usage else None)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


def _prompt(fields: Fields) -> tuple[str, int]:
    """Return the last message of the user, and the tokens of all."""
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError("'messages' must be a list with at least one message.", param="messages")
    texts = [(_text_field(message, "role"), _content(message)) for message in messages]
    users = [text for role, text in texts if role == "user"]
    if not users or not users[-1].strip():
        raise ApiError("'messages' must hold a message of the user that is not empty.", param="messages", code="empty_input")
    if fields.get("n") not in (None, 1) or fields.get("tools"):
        raise ApiError("This stand-in gives one choice and uses no tools.", param="n" if fields.get("n") not in (None, 1) else "tools")
    return users[-1], sum(_tokens(text) for _, text in texts)


def _content(message: Any) -> str:  # noqa: ANN401  whatever JSON holds
    """Return the text of a message; a list of text parts is joined."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "\n".join(_text_field(part, "text") for part in content)
    return _text_field(message, "content")


def _text_field(given: Any, name: str) -> str:  # noqa: ANN401  whatever JSON holds
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(value, str):
        problem = f"'messages': each message needs a role and a text; '{name}' is not a string. Images are not supported."
        raise ApiError(problem, param="messages")
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


def _tokens(text: str) -> int:
    """Return tokens as this stand-in counts them: one per four started bytes of UTF-8, about right for European text."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def _cut(text: str, most_tokens: int) -> tuple[list[str], int, str]:
    """Return the words that fit, their tokens, and why they end."""
    pieces: list[str] = []
    used = 0
    for word in _PIECE.findall(text):
        if used + _tokens(word) > most_tokens:
            return pieces, used, "length"
        pieces.append(word)
        used += _tokens(word)
    return pieces, used, "stop"


async def _events(head: Fields, pieces: Sequence[str], reason: str, usage: Fields | None) -> AsyncIterator[str]:
    deltas: list[Fields] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
    events: list[Fields] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else reason}]} for delta in deltas]
    for event in [*events, *([{"choices": [], "usage": usage}] if usage else [])]:
        yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **event}, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"
