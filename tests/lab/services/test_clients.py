"""The gate's clients and the lab's services, as they speak in every run: over HTTP, streamed, with prefixes and a limit of the answer."""

from contextlib import closing

import httpx
import numpy as np

from validation.clients.llm import LanguageModel, Source
from validation.clients.retrieval_models import EmbeddingService
from validation.clients.target import EmbeddingRequest

SOURCES = [Source(title="Pump manual", document_id="pump", text="The pump lifts 40 litres per minute. It weighs 12 kg.")]
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
    query = EmbeddingRequest(prefix="forklift ")
    with closing(EmbeddingService(base(embedding), "lab-char-svd-512", 512, query=query)) as service:
        service.check()
        prefixed = service.embed_queries(["speed"])
    with closing(EmbeddingService(base(embedding), "lab-char-svd-512", 512)) as service:
        assert np.allclose(prefixed, service.embed_queries(["forklift speed"]))
        assert not np.allclose(prefixed, service.embed_queries(["speed"]))
