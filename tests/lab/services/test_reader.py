import json
from typing import Any

import httpx
import pytest

MODEL = "lab-reader"
PATH = "/v1/chat/completions"
RULE = "Answer only from the numbered sources. Cite the source like [1]. If the sources do not answer, say so."
PROMPT = """[1] Canteen (canteen)
Lunch is served from noon. Soup is free on Fridays.

[2] Forklift and traffic rules, Brno plant (forklift-rules-brno)
Speed and distance
Inside the halls the limit is 8 km/h. Stop at every blue floor line.

Question: How fast may a forklift go inside the halls in Brno?"""


def messages(user: Any = PROMPT) -> list[dict[str, Any]]:
    return [{"role": "system", "content": RULE}, {"role": "user", "content": user}]


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"model": MODEL, "messages": messages(), **fields})


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """Server-sent events by hand: each is one `data:` line and an empty line, the last is `[DONE]`."""
    assert response.headers["content-type"].startswith("text/event-stream")
    *blocks, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_it_is_healthy_and_says_that_it_is_a_stand_in(reading: httpx.Client) -> None:
    assert reading.get("/health").json() == {"status": "ok"}
    assert [(entry["id"], entry["owned_by"]) for entry in reading.get("/v1/models").json()["data"]] == [(MODEL, "lab stand-in")]


def test_an_answer_quotes_the_best_sentence_and_cites_its_source(reading: httpx.Client) -> None:
    answer = post(reading).json()
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
    assert answer["object"] == "chat.completion"
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"].startswith("Inside the halls the limit is 8 km/h. [2]\n")
    assert "[1]" not in choice["message"]["content"]


def test_usage_adds_up(reading: httpx.Client) -> None:
    usage = post(reading).json()["usage"]
    assert usage["prompt_tokens"] >= len(PROMPT) // 4
    assert usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_opens_with_the_role_and_ends_with_the_reason_and_holds_the_same_text(reading: httpx.Client) -> None:
    events = events_of(post(reading, stream=True))
    assert {(event["object"], event["model"], event["id"]) for event in events} == {("chat.completion.chunk", MODEL, events[0]["id"])}
    choices = [event["choices"][0] for event in events]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, "stop")
    assert all(choice["finish_reason"] is None for choice in choices[:-1])
    assert len(choices) > 5
    assert "".join(choice["delta"]["content"] for choice in choices[:-1]) == post(reading).json()["choices"][0]["message"]["content"]


def test_a_stream_reports_usage_when_asked(reading: httpx.Client) -> None:
    last = events_of(post(reading, stream=True, stream_options={"include_usage": True}))[-1]
    assert last["choices"] == []
    assert last["usage"] == post(reading).json()["usage"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_the_tokens_allowed_and_says_so(reading: httpx.Client, name: str) -> None:
    answer = post(reading, **{name: 4}).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert 0 < answer["usage"]["completion_tokens"] <= 4
    assert events_of(post(reading, stream=True, **{name: 4}))[-1]["choices"][0]["finish_reason"] == "length"


def test_a_message_may_come_in_text_parts_and_sampling_options_change_nothing(reading: httpx.Client) -> None:
    parts = [{"type": "text", "text": PROMPT}]
    answer = post(reading, messages=messages(parts), temperature=1.5, top_p=0.1, seed=7, stop=None, user="someone")
    assert answer.json()["choices"] == post(reading).json()["choices"]


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("What is the capital of Mongolia?", "The sources do not answer"),
        ("Was ist die Hauptstadt der Mongolei?", "Die Quellen beantworten"),
    ],
)
def test_it_says_so_in_the_language_of_the_question_when_the_sources_do_not_answer(
    reading: httpx.Client, question: str, refusal: str
) -> None:
    user = PROMPT.rpartition("Question:")[0] + f"Question: {question}"
    content = post(reading, messages=messages(user)).json()["choices"][0]["message"]["content"]
    assert content.startswith(refusal)
    assert "[" not in content


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": None},
        {"messages": []},
        {"messages": ["text"]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"content": "x"}]},
        {"messages": [{"role": "system", "content": RULE}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
        {"n": 2},
        {"tools": [{"type": "function"}]},
        {"max_tokens": 0},
        {"max_tokens": "10"},
        {"max_tokens": True},
        {"max_tokens": 4096},
    ],
    ids=lambda fields: json.dumps(fields)[:40],
)
def test_what_it_cannot_honour_is_refused_with_400(reading: httpx.Client, fields: dict[str, Any]) -> None:
    response = post(reading, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] in {"messages", "n", "tools", "max_tokens"}


def test_a_prompt_longer_than_its_context_is_refused(reading: httpx.Client) -> None:
    response = post(reading, messages=messages("word " * 3300 + PROMPT))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_an_oversized_body_is_413_another_model_404_a_wrong_method_405(reading: httpx.Client) -> None:
    assert reading.post(PATH, content=b" " * (1024 * 1024 + 1)).status_code == 413
    assert post(reading, model="gpt-4o").status_code == 404
    assert reading.get(PATH).status_code == 405


@pytest.mark.parametrize("stream", [True, False])
def test_half_a_surrogate_pair_does_not_break_the_answer(reading: httpx.Client, stream: bool) -> None:
    body = json.dumps({"model": MODEL, "messages": messages(PROMPT.replace("limit", "limit \ud800")), "stream": stream})
    response = reading.post(PATH, content=body)
    assert response.status_code == 200
    assert "limit ? is" in (
        "".join(event["choices"][0]["delta"].get("content", "") for event in events_of(response))
        if stream
        else response.json()["choices"][0]["message"]["content"]
    )
