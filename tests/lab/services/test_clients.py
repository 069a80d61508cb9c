"""The gate's clients and the lab's services, as they speak in every run: over HTTP, streamed, with prefixes and a limit of the answer."""

from contextlib import closing
from dataclasses import replace

import httpx
import numpy as np
import pytest

from lab.services.embedder import DIMENSION, MODEL
from validation.clients.http import TooLongError
from validation.clients.llm import LanguageModel
from validation.clients.passages import Chunk
from validation.clients.retrieval_models import EmbeddingService
from validation.clients.target import EmbeddingRequest

CHUNK = Chunk(document_id="d", title="", section="", language="en", source="documents/en/d.md", sha256="0" * 64, text="A text.")
SOURCES = [replace(CHUNK, title="Pump manual", document_id="pump", text="The pump lifts 40 litres per minute. It weighs 12 kg.")]
QUESTION = "How many litres does the pump lift?"


def base(client: httpx.Client) -> str:
    return f"{client.base_url}/v1".replace("//v1", "/v1")


def test_the_length_of_an_answer_is_bounded_and_a_cut_one_says_so(reading: httpx.Client) -> None:
    for tokens, is_cut in ((64, False), (1, True)):
        with closing(LanguageModel(base(reading), "lab-reader", 5, max_tokens=tokens)) as model:
            model.check(4096)
            answer = model.ask(QUESTION, SOURCES)
        assert answer.is_cut is is_cut
        assert ("40 litres" in answer.text) is not is_cut
        assert (model.notes, answer.thinking) == ([], "")


def test_a_temperature_may_be_left_out(reading: httpx.Client) -> None:
    with closing(LanguageModel(base(reading), "lab-reader", 5, temperature=None)) as model:
        assert "40 litres" in model.ask(QUESTION, SOURCES).text


def test_a_prefix_is_part_of_what_is_embedded(embedding: httpx.Client) -> None:
    query, passage = EmbeddingRequest(prefix="query: "), EmbeddingRequest(prefix="passage: ")
    with closing(EmbeddingService(base(embedding), MODEL, DIMENSION, query=query, passage=passage)) as service:
        service.check()
        asked, stored = service.embed_queries(["speed"]), service.embed_passages([replace(CHUNK, text="speed")])
    with closing(EmbeddingService(base(embedding), MODEL, DIMENSION)) as service:
        assert np.array_equal(asked, service.embed_queries(["query: speed"]))
        assert np.array_equal(stored, service.embed_queries(["passage: speed"]))
        assert not np.allclose(asked, stored)


def test_a_chunk_that_the_model_cannot_read_is_named(embedding: httpx.Client) -> None:
    long = replace(CHUNK, source="documents/en/long.md", text="forklift " * 600)
    with (
        closing(EmbeddingService(base(embedding), MODEL, DIMENSION)) as service,
        pytest.raises(TooLongError, match=r"en/long\.md, chunk 1"),
    ):
        service.embed_passages([CHUNK, long])
