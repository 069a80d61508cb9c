"""HTTP clients against real small servers, well-behaved and not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.validation.services import DIMENSION, Bucket, Models, serving, stream, vector
from validation.clients.documents import ClockSkewError, Credential, DocumentStore, Original
from validation.clients.http import TooLongError
from validation.clients.llm import Answer, LanguageModel, prompt
from validation.clients.passages import Chunk
from validation.clients.retrieval_models import EmbeddingService, Reranker
from validation.clients.target import EmbeddingRequest
from validation.corpus.citation import Citation, citation_problem
from validation.judge.errors import GateError, InvalidRunError, UnreachableError, UsageError

NOWHERE = "http://127.0.0.1:9"


def embedding(url: str, dimension: int = DIMENSION) -> EmbeddingService:
    return EmbeddingService(url, "tiny", dimension)


def chunk(text: str, position: int = 0) -> Chunk:
    return Chunk(document_id="d", title="", section="", language="en", source="manuals/pump.md", sha256="0", text=text, position=position)


SOURCES = [
    replace(chunk("The pump lifts 40 litres."), title="Pump manual", document_id="pump"),
    replace(chunk("No."), title="T", document_id="x"),
]


def test_vectors_come_back_in_order_and_of_length_one(models_url: str) -> None:
    service = embedding(models_url)
    texts = [f"text number {number}" for number in range(150)]
    seen: list[int] = []
    matrix = service.embed_passages([chunk(text, number) for number, text in enumerate(texts)], seen.append)
    service.check()
    assert matrix.shape == (150, DIMENSION)
    assert np.linalg.norm(matrix, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(matrix[149], service.time_one(texts[149])[0])
    assert seen == [32, 64, 96, 128, 150]
    service.close()


def bad_vectors(value: float, length: int = DIMENSION, count: int = 1) -> Callable[[dict[str, Any]], Response]:
    text = "[" + ",".join([str(value)] * length) + "]"
    data = ",".join(f'{{"index":{at},"embedding":{text}}}' for at in range(count))
    return lambda _: Response(f'{{"model":"tiny","data":[{data}]}}', media_type="application/json")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: HTMLResponse("<html>Welcome</html>"), "not JSON: <html>Welcome"),
        (lambda _: JSONResponse({"error": {"message": "boom"}}, 500), "status 500: .*boom"),
        (lambda _: JSONResponse([1]), "no object"),
        (lambda _: JSONResponse({"model": "tiny"}), "without usable vectors"),
        (lambda _: JSONResponse({"model": "tiny", "data": [{"index": 0, "embedding": ["a"]}]}), "without usable vectors"),
        (lambda _: JSONResponse({"model": "other", "data": []}), "model 'other', declared is 'tiny'"),
        (bad_vectors(1.0, length=3), r"shape \(1, 3\)"),
        (bad_vectors(1.0, count=2), r"shape \(2, 64\)"),
        (bad_vectors(0.0), "zero, NaN or infinite"),
    ],
)
def test_an_embedding_service_that_answers_nonsense_makes_the_run_invalid(
    models: Models, models_url: str, answer: Callable[[dict[str, Any]], Response], reason: str
) -> None:
    models.embeddings = answer
    service = embedding(models_url)
    with pytest.raises(InvalidRunError, match=reason):
        service.embed_queries(["x"])
    service.close()


def tei(limit: int, status: int) -> Callable[[dict[str, Any]], Response]:
    """Refuse long texts as text-embeddings-inference does without truncation: 413 before 1.9, 422 since."""

    def answer(body: dict[str, Any]) -> Response:
        longest = max(len(text.split()) for text in body["input"])
        if longest > limit:
            message = f"Input validation error: `inputs` must have less than {limit} tokens. Given: {longest}"
            return JSONResponse({"message": message, "code": status, "type": "Validation"}, status)
        data = [{"index": at, "embedding": vector(text, DIMENSION)} for at, text in enumerate(body["input"])]
        return JSONResponse({"model": "tiny", "data": data})

    return answer


@pytest.mark.parametrize("status", [413, 422])
def test_a_text_that_the_model_cannot_read_is_named_by_document_and_chunk(models: Models, models_url: str, status: int) -> None:
    models.embeddings = tei(8, status)
    chunks = [chunk("short enough", number) for number in range(5)] + [chunk("far too long " * 4, 5)]
    with closing(embedding(models_url)) as service, pytest.raises(TooLongError) as refused:
        service.embed_passages(chunks)
    assert refused.value.code == "models.text_too_long"
    for words in ("document manuals/pump.md, chunk 6", "Given: 12", "make chunks smaller", "auto-truncate: true"):
        assert words in str(refused.value)


@pytest.mark.parametrize("status", [413, 422])
def test_too_many_texts_at_once_are_told_from_a_text_that_is_too_long(models: Models, models_url: str, status: int) -> None:
    models.embeddings = lambda _: JSONResponse({"message": "batch size 64 > maximum allowed batch size 32"}, status)
    with closing(embedding(models_url)) as service, pytest.raises(UsageError, match="max-client-batch-size") as refused:
        service.embed_passages([chunk("x")])
    assert refused.value.code == "models.too_many_texts"


def test_a_service_that_cuts_texts_in_silence_is_noted_and_one_that_refuses_them_is_not(models: Models, models_url: str) -> None:
    for cuts, expected in ((True, ["cuts every text after 512 tokens"]), (False, [])):
        info = JSONResponse({"auto_truncate": cuts, "max_input_length": 512})
        pages = {"/v1/models": Response(status_code=404), "/info": info}
        models.everything = lambda request, pages=pages: pages.get(request.url.path)
        with closing(embedding(models_url)) as service:
            notes = service.check()
        assert [words for words in expected if words not in "".join(notes)] == []
        assert len(notes) == len(expected)


def test_queries_and_passages_are_sent_as_the_model_wants_them(models: Models, models_url: str) -> None:
    query = EmbeddingRequest(prefix="query: ", options={"input_type": "query"})
    passage = EmbeddingRequest(prefix="passage: ", options={"input_type": "passage"})
    with closing(EmbeddingService(models_url, "tiny", DIMENSION, query=query, passage=passage)) as service:
        service.embed_passages([chunk("p")])
        service.embed_queries(["q"])
        service.time_one("t")
    sent = [(request["input"], request["input_type"], request["model"]) for request in models.requests]
    assert sent == [(["passage: p"], "passage", "tiny"), (["query: q"], "query", "tiny"), (["query: t"], "query", "tiny")]


def checks(url: str, **fields: Any) -> list[Callable[[], None]]:
    """Return the check of each client."""

    def language_model() -> None:
        with closing(LanguageModel(url, "tiny", 5)) as model:
            model.check(256)

    def service(client: EmbeddingService | Reranker) -> None:
        with closing(client):
            client.check()

    return [lambda: service(embedding(url, **fields)), language_model, lambda: service(Reranker(url, "tiny"))]


@pytest.mark.parametrize("kind", range(3))
def test_a_service_that_is_not_there_is_unreachable_and_named(kind: int) -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9.*kubectl get pods"):
        checks(NOWHERE)[kind]()


def test_another_model_than_declared_is_refused(models: Models, models_url: str) -> None:
    models.model = "other"
    for check in checks(models_url):
        with pytest.raises(InvalidRunError, match=r"serves \['other'\], declared is 'tiny'"):
            check()


def test_another_dimension_than_declared_is_refused(models_url: str) -> None:
    service = embedding(models_url, dimension=128)
    with pytest.raises(InvalidRunError, match="dimension 128"):
        service.check()
    service.close()


def test_a_batch_whose_connection_breaks_is_tried_again(models: Models, models_url: str) -> None:
    def broken(_body: dict[str, Any]) -> Response:
        if len(models.requests) == 2:
            models.embeddings = None
        return Response("{", headers={"content-length": "100"})

    models.embeddings = broken
    service = embedding(models_url)
    assert service.embed_queries(["x"]).shape == (1, DIMENSION)
    assert len(models.requests) == 3
    service.close()


def test_an_answer_is_streamed_and_timed(models: Models, models_url: str) -> None:
    model = LanguageModel(models_url, "tiny", 5)
    answer = model.ask("How much does the pump lift?", SOURCES)
    assert answer.text == "The pump lifts 40 litres. [1]"
    assert 0 < answer.first_token_s <= answer.total_s
    assert models.requests[-1]["stream"] is True
    model.close()


def ask(url: str, **settings: Any) -> tuple[Answer, LanguageModel]:
    with closing(LanguageModel(url, "tiny", 5, **settings)) as model:
        return model.ask("How much does the pump lift?", SOURCES), model


def test_the_length_of_an_answer_and_the_temperature_are_sent(models: Models, models_url: str) -> None:
    ask(models_url, max_tokens=77, temperature=0.5)
    assert (models.requests[-1]["max_tokens"], models.requests[-1]["temperature"]) == (77, 0.5)
    ask(models_url, temperature=None)
    assert "temperature" not in models.requests[-1]


def refusing(wrong: Callable[[dict[str, Any]], bool], message: str, status: int = 400) -> Callable[[dict[str, Any]], Response]:
    """Refuse requests of one form, and answer the others."""
    return lambda body: JSONResponse({"error": {"message": message}}, status) if wrong(body) else stream("It lifts 40 litres. [1]")


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("System role not supported", 400),  # Gemma 2
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400),  # Mistral v0.1
        ("Only user and assistant roles are supported!", 500),
    ],
)
def test_a_model_without_a_system_role_gets_the_rule_in_the_question_and_that_is_noted_once(
    models: Models, models_url: str, message: str, status: int
) -> None:
    models.chat = refusing(lambda body: body["messages"][0]["role"] == "system", message, status)
    with closing(LanguageModel(models_url, "tiny", 5)) as model:
        answers = [model.ask("Why?", SOURCES).text for _ in range(2)]
    assert answers == ["It lifts 40 litres. [1]"] * 2
    assert len(models.requests) == 3, "the refused form is sent once"
    assert models.requests[-1]["messages"][0]["content"].startswith("Answer only from the numbered sources.")
    assert len(model.notes) == 1
    assert "no system role" in model.notes[0]


def test_a_service_that_wants_max_completion_tokens_gets_them(models: Models, models_url: str) -> None:
    message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    models.chat = refusing(lambda body: "max_tokens" in body, message)
    _, model = ask(models_url, max_tokens=9)
    assert models.requests[-1]["max_completion_tokens"] == 9
    assert "max_completion_tokens" in "".join(model.notes)


def test_a_model_that_refuses_a_temperature_is_told_with_the_setting_that_leaves_it_out(models: Models, models_url: str) -> None:
    message = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
    models.chat = refusing(lambda body: "temperature" in body, message)
    with pytest.raises(UsageError, match=r"llm\.temperature: null") as refused:
        ask(models_url)
    assert refused.value.code == "models.temperature"
    assert ask(models_url, temperature=None)[0].text == "It lifts 40 litres. [1]"


def slowly(*deltas: dict[str, Any], finish_reason: str = "stop") -> Callable[[dict[str, Any]], Response]:
    """Stream deltas one by one, a little later each, and end for a reason."""
    choices = [*({"index": 0, "delta": delta} for delta in deltas), {"index": 0, "delta": {}, "finish_reason": finish_reason}]

    async def events() -> AsyncIterator[str]:
        for choice in choices:
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
            await asyncio.sleep(0.05)
        yield "data: [DONE]\n\n"

    return lambda _: StreamingResponse(events(), media_type="text/event-stream")


@pytest.mark.parametrize(
    "deltas",
    [
        ({"content": "<think>Sour"}, {"content": "ce [2]?</thi"}, {"content": "nk>\n\n"}, {"content": "40 litres"}, {"content": " [1]"}),
        ({"content": "Source [2]?"}, {"content": "</think>"}, {"content": "40 litres"}, {"content": " [1]"}),
        ({"reasoning_content": "Sour"}, {"reasoning_content": "ce [2]?"}, {"content": "40 litres"}, {"content": " [1]"}),
        ({"reasoning": "Source [2]?"}, {"content": "40 litres"}, {"content": " [1]"}),
    ],
)
def test_thinking_is_neither_the_answer_nor_its_first_token(models: Models, models_url: str, deltas: tuple[dict[str, Any], ...]) -> None:
    models.chat = slowly(*deltas)
    answer, _ = ask(models_url)
    assert (answer.text, answer.thinking.strip()) == ("40 litres [1]", "Source [2]?")
    before = next(number for number, delta in enumerate(deltas) if "40" in delta.get("content", ""))
    assert answer.first_token_s >= before * 0.05, "a pause lies between any two pieces"


def test_white_space_is_no_first_token(models: Models, models_url: str) -> None:
    models.chat = slowly({"content": "\n"}, {"content": "  "}, {"content": " 40 litres [1]"})
    assert ask(models_url)[0].first_token_s >= 0.1


def test_an_answer_that_was_cut_says_so_and_thinking_alone_is_no_answer(models: Models, models_url: str) -> None:
    models.chat = slowly({"content": "The pump lifts"}, finish_reason="length")
    assert ask(models_url)[0].is_cut
    models.chat = slowly({"content": "<think>Let me see"}, finish_reason="length")
    with pytest.raises(InvalidRunError, match=r"but its thinking, cut after 64 tokens: raise llm\.answer_tokens"):
        ask(models_url, max_tokens=64)


def test_the_prompt_numbers_its_sources_and_ends_with_the_question() -> None:
    system, user = prompt("Why?", SOURCES)
    assert system["content"].startswith("Answer only from the numbered sources.")
    assert user["content"] == "[1] Pump manual (pump)\nThe pump lifts 40 litres.\n\n[2] T (x)\nNo.\n\nQuestion: Why?"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: stream(""), "without a word"),
        (lambda _: HTMLResponse("<html>"), "without a word"),
        (lambda _: JSONResponse({"error": {"message": "full"}}, 503), "status 503: .*full"),
        (lambda _: Response('data: {"error": {"message": "gone"}}\n\n', media_type="text/event-stream"), "broke off its answer: .*gone"),
        (lambda _: Response("data: {nonsense\n\n", media_type="text/event-stream"), "cannot be read"),
        (lambda _: Response('data: {"choices": [{}]}\n\n', media_type="text/event-stream"), "cannot be read"),
        (lambda _: Response('data: {"choices": [{"delta": {"content": "It li"}}]}\n\n'), "broke off its answer after 5 letters"),
        (lambda _: stream("endless " * 2_000), "wrote .* letters, where 512 tokens were allowed"),
    ],
)
def test_a_language_model_that_answers_nonsense_is_told_from_one_that_answers(
    models: Models, models_url: str, answer: Callable[[dict[str, Any]], Response], reason: str
) -> None:
    models.chat = answer
    model = LanguageModel(models_url, "tiny", 5)
    with pytest.raises(InvalidRunError, match=reason):
        model.ask("x", SOURCES)
    model.close()


def documents(url: str, bucket: str = "documents") -> DocumentStore:
    credential = Credential(access_key="AKID", secret_key="verysecret")
    return DocumentStore(endpoint=url, region="us-east-1", bucket=bucket, credential=credential, ca_file=None)


def test_an_original_is_written_once_and_read_back(bucket: Bucket, bucket_url: str) -> None:
    store = documents(bucket_url)
    store.check()
    first = Original(key="corpus/a.md", version_id="1", written=True)
    assert store.store("corpus/a.md", b"hello", "text/markdown") == first
    assert store.store("corpus/a.md", b"hello", "text/markdown") == replace(first, written=False)
    assert bucket.objects == {"corpus/a.md": b"hello"}
    assert bucket.puts == ["corpus/a.md"]


def test_a_store_that_says_yes_and_keeps_something_else_is_found_out(bucket: Bucket, bucket_url: str) -> None:
    bucket.corrupt = True
    with pytest.raises(InvalidRunError, match="reads back other bytes"):
        documents(bucket_url).store("corpus/a.md", b"hello", "text/markdown")


def test_a_bucket_that_is_not_there_is_named(bucket_url: str) -> None:
    with pytest.raises(InvalidRunError, match=f"bucket nothing at {bucket_url}: the store answered 404"):
        documents(bucket_url, "nothing").check()


def test_a_store_that_is_not_there_is_unreachable_and_its_key_stays_secret() -> None:
    with pytest.raises(GateError) as caught:
        documents(NOWHERE).check()
    assert isinstance(caught.value, UnreachableError)
    assert "verysecret" not in str(caught.value)
    assert "verysecret" not in repr(Credential(access_key="AKID", secret_key="verysecret"))


def test_a_clock_that_the_store_refuses_is_no_altered_original() -> None:
    async def skewed(_request: Any) -> Response:
        return Response("<Error><Code>RequestTimeTooSkewed</Code></Error>", 403, media_type="application/xml")

    citation = Citation(bucket="documents", key="a", version_id="1", sha256="0" * 64)
    with serving(Starlette(routes=[Route("/{path:path}", skewed)])) as url, pytest.raises(ClockSkewError, match="NTP") as refused:
        citation_problem(documents(url), citation)
    assert refused.value.code == "store.clock_skew"
