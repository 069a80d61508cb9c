"""`ask` on a real target: passages, the answer, citations that lead to the original, and what is said when a part is away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from typer.testing import CliRunner

from tests.validation.ask.stage import PUMP, Stage
from tests.validation.services import stream
from tests.validation.stand import write_target
from validation.__main__ import app

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(stage: Stage, tmp_path: Path) -> Ask:
    path = write_target(tmp_path, stage.outputs)

    def run(question: str, *options: str, collection: str = "handbook") -> tuple[int, Any]:
        result = CliRunner().invoke(app, ["ask", str(path), question, "--collection", collection, *options])
        return result.exit_code, json.loads(result.stdout) if "--json" in options else result.output

    return run


def test_an_answer_cites_a_passage_whose_link_opens_the_very_original(ask: Ask) -> None:
    code, told = ask("How much does the pump lift?", "--json")
    assert (code, told["error"], told["answer"]) == (0, "", "The pump lifts 40 litres a minute. [1]")
    assert [each["number"] for each in told["citations"]] == [1]
    assert told["citations"][0]["place"] == "Pump manual"
    link = told["citations"][0]["link"]
    assert "X-Amz-Signature" in link
    assert httpx.get(link).text == PUMP
    assert list(told["stages_ms"]) == ["embed", "search", "first_token", "answer", "originals"]
    scores = [each["score"] for each in told["passages"]]
    assert scores == sorted(scores, reverse=True)


def test_a_person_reads_passages_the_answer_and_times(ask: Ask) -> None:
    code, text = ask("How much does the pump lift?")
    assert code == 0
    assert "[1] 0." in text
    assert "(en/pump.md)" in text
    assert "\nThe pump lifts 40 litres a minute. [1]\n" in text
    assert "times: embed " in text


@pytest.mark.parametrize(
    ("options", "sources"),
    [
        (["--language", "de"], {"de/haus.html"}),
        (["--access", "staff"], {"en/pump.md", "en/canteen.txt"}),
        (["--path", "zh/"], {"zh/guifan.md"}),
        (["--language", 'de" or language != "'], set()),
        (["--path", 'x" or source like "'], set()),
    ],
)
def test_filters_choose_and_stay_values(ask: Ask, options: list[str], sources: set[str]) -> None:
    code, told = ask("forklift pump Ruhe", "--json", *options)
    assert (code, {each["source"] for each in told["passages"]}) == (0, sources)


@pytest.mark.parametrize(
    ("collection", "reason"),
    [
        ("nowhere", "there is no collection nowhere in database default; fill it: "),
        ("released", "collection released is not loaded"),
        ("empty", "collection empty is empty; fill it: "),
        ("other_model", "holds vectors of model another; dimension 64, the stack serves model tiny"),
    ],
)
def test_a_collection_that_cannot_be_asked_is_named_with_the_cure(ask: Ask, collection: str, reason: str) -> None:
    code, told = ask("How much does the pump lift?", "--json", collection=collection)
    assert (code, told["passages"]) == (2, [])
    assert reason in told["error"]


def test_without_a_language_model_the_passages_are_there_all_the_same(ask: Ask, stage: Stage) -> None:
    stage.models.chat = lambda _: Response("overloaded", 503)
    code, told = ask("How much does the pump lift?", "--json")
    assert code == 3
    assert "the LLM service answered" in told["error"]
    assert told["passages"][0]["source"] == "en/pump.md"


def test_a_milvus_that_is_gone_is_named(ask: Ask, stage: Stage) -> None:
    stage.lite.is_gone = True
    code, told = ask("How much does the pump lift?", "--json")
    assert code == 4
    assert "Milvus at http://127.0.0.1" in told["error"]


def test_an_embedding_service_that_is_gone_is_named(ask: Ask, stage: Stage, tmp_path: Path) -> None:
    write_target(tmp_path, {**stage.outputs, "embedding_url": "http://127.0.0.1:9/v1"})
    code, told = ask("How much does the pump lift?", "--json")
    assert code == 4
    assert "the embedding service at http://127.0.0.1:9/v1/ does not answer" in told["error"]


def test_a_citation_that_is_no_source_leads_nowhere_and_is_named(ask: Ask, stage: Stage) -> None:
    stage.models.chat = lambda _: stream("The canteen opens at noon [1], as [99] and [7] say.")
    _, told = ask("When does the canteen open?", "--json", "--language", "en")
    assert [each["number"] for each in told["citations"]] == [1]
    assert told["uncited"] == [99, 7]


@pytest.mark.parametrize(("body", "reason"), [(None, "NoSuchVersion"), (b"other", "were altered in the store")])
def test_an_original_that_is_gone_or_altered_has_no_link(ask: Ask, stage: Stage, body: bytes | None, reason: str) -> None:
    for key in [key for key in stage.bucket.versions if "pump" in key[0]]:
        del stage.bucket.versions[key]
        if body is not None:
            stage.bucket.versions[key] = body
    code, told = ask("How much does the pump lift?", "--json")
    assert (code, told["citations"][0]["link"]) == (0, "")
    assert reason in told["citations"][0]["problem"]


def test_thinking_is_not_part_of_the_answer_and_a_refusal_is_one(ask: Ask, stage: Stage) -> None:
    stage.models.chat = lambda _: stream("<think> maybe [1] </think> The sources do not say.")
    _, told = ask("Who is the chancellor?", "--json")
    assert (told["answer"], told["answered"], told["citations"]) == ("The sources do not say.", False, [])


def test_terminal_codes_of_a_document_or_a_model_do_not_reach_the_terminal(ask: Ask, stage: Stage) -> None:
    stage.models.chat = lambda _: stream("bad \x1b[2J\x1b]0;title\x07 [1]")
    _, text = ask("How much does the pump lift?")
    assert "\x1b" not in text
    assert "\x07" not in text
