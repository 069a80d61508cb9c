import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from lab.services.model import EmbeddingModel

MODEL = "lab-char-svd-512"
PATH = "/v1/embeddings"


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"model": MODEL, **fields})


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


def test_it_is_healthy_and_says_that_it_is_a_stand_in(embedding: httpx.Client) -> None:
    health = embedding.get("/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    listed = embedding.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [(entry["id"], entry["object"], entry["owned_by"]) for entry in listed["data"]] == [(MODEL, "model", "lab stand-in")]


def test_one_text_gives_one_embedding_in_the_form_of_openai(embedding: httpx.Client, model: EmbeddingModel) -> None:
    answer = post(embedding, input="How fast may a forklift go?").json()
    assert set(answer) == {"object", "data", "model", "usage"}
    assert (answer["object"], answer["model"]) == ("list", MODEL)
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    [entry] = answer["data"]
    assert (entry["object"], entry["index"]) == ("embedding", 0)
    assert np.allclose(entry["embedding"], model.encode(["How fast may a forklift go?"])[0], atol=1e-7)


def test_a_batch_comes_back_in_its_order(embedding: httpx.Client, model: EmbeddingModel) -> None:
    texts = [f"rule {number} for forklifts" for number in range(256)]
    data = post(embedding, input=texts).json()["data"]
    assert [entry["index"] for entry in data] == list(range(256))
    assert np.allclose([entry["embedding"] for entry in data], model.encode(texts), atol=1e-6)


def test_base64_holds_the_same_numbers_as_floats(embedding: httpx.Client) -> None:
    floats = post(embedding, input="Hotels", encoding_format="float").json()["data"][0]["embedding"]
    packed = post(embedding, input="Hotels", encoding_format="base64").json()["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.array(floats, np.float32))


def test_its_own_dimension_may_be_asked_for(embedding: httpx.Client) -> None:
    assert post(embedding, input="Hotels", dimensions=512).status_code == 200


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
    batch = [f"{number} the driver stops at every blue line " * 100 for number in range(128)]
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
