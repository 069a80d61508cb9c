"""HTTP clients against real small servers, well-behaved and not."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from tests.validation.services import DIMENSION, Bucket, Models, stream
from validation.clients.documents import Credential, DocumentStore, Original
from validation.clients.embedding import EmbeddingService
from validation.clients.llm import LanguageModel, Source, prompt
from validation.clients.reranker import Reranker
from validation.judge.errors import GateError, InvalidRunError, UnreachableError

NOWHERE = "http://127.0.0.1:9"
SOURCES = [
    Source(title="Pump manual", document_id="pump", text="The pump lifts 40 litres."),
    Source(title="T", document_id="x", text="No."),
]


def embedding(url: str, dimension: int = DIMENSION) -> EmbeddingService:
    return EmbeddingService(url, "tiny", dimension)


def test_vectors_come_back_in_order_and_of_length_one(models_url: str) -> None:
    service = embedding(models_url)
    texts = [f"text number {number}" for number in range(150)]
    seen: list[int] = []
    matrix = service.embed_all(texts, seen.append)
    service.check()
    assert matrix.shape == (150, DIMENSION)
    assert np.linalg.norm(matrix, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(matrix[149], service.time_one(texts[149])[0])
    assert seen == [64, 128, 150]
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
        service.embed(["x"])
    service.close()


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
    assert service.embed_all(["x"], lambda _: None).shape == (1, DIMENSION)
    assert len(models.requests) == 3
    service.close()


def test_an_answer_is_streamed_and_timed(models: Models, models_url: str) -> None:
    model = LanguageModel(models_url, "tiny", 5)
    answer = model.ask("How much does the pump lift?", SOURCES)
    assert answer.text == "The pump lifts 40 litres. [1]"
    assert 0 < answer.first_token_s <= answer.total_s
    assert models.requests[-1]["stream"] is True
    model.close()


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
