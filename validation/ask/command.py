"""`./rag ask`: one question, its passages, the answer as it comes, and where each citation leads."""

import asyncio
import json
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from typing import Annotated

import typer

from validation.ask.answering import Answering, Completion, bypass_proxies, listed
from validation.ask.retrieval import MOST_PASSAGES, Query, Stages
from validation.clients import target
from validation.clients.connect import open_connector
from validation.corpus import grading
from validation.judge.errors import GateError, UsageError
from validation.run.options import Target

_SHOWN = 200
_DATABASE = "Database of a tenant; its Secret milvus-DATABASE-search is used. Default: the stack's own"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `ask`."""

    stack: Target
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question, in any language that the embedding model knows.")]
    collection: Annotated[str, typer.Option(help="The collection that `ingest` filled.")] = field()
    database: Annotated[str, typer.Option(help=_DATABASE)] = ""
    limit: Annotated[int, typer.Option(min=1, max=MOST_PASSAGES, help="How many passages the model is shown.")] = 8
    language: Annotated[str, typer.Option(help="Only documents of this language, such as de.")] = ""
    access: Annotated[str, typer.Option(help="Only documents with this access label.")] = ""
    path: Annotated[str, typer.Option(help="Only documents whose path begins so, such as en/.")] = ""
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, when all is there.")] = False


def act(options: Options) -> int:
    """Ask once, print what comes, and return the exit code."""
    asked = Completion(model=options.collection, passages=[], stages=Stages())
    refused: GateError | None = None
    try:
        with ExitStack() as closing:
            _ask(options, asked, closing)
    except GateError as error:
        refused = error  # told once what there is was printed
    if options.as_json:
        answer = {"answer": asked.text, "passages": listed(asked.passages)} | asked.outcome() | {"error": str(refused or "")}
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    elif asked.stages.ms:
        print("\ntimes: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in asked.stages.ms.items()))
    if refused is not None:
        raise refused
    return 0


def _ask(options: Options, asked: Completion, closing: ExitStack) -> None:
    if not options.question.strip():
        raise UsageError("the question is empty; write one between quotes")
    aim = target.read(options.stack)
    database = options.database or aim.milvus_database
    connector = open_connector(aim, closing, [])
    bypass_proxies(connector)
    answering = Answering(connector, {database: f"milvus-{database}-search"} if database != aim.milvus_database else None)
    filters = {name: getattr(options, name) for name in ("question", "collection", "limit", "language", "access", "path")}
    asked.passages = answering.retriever.search(Query(database=database, **filters), asked.stages)
    for number, passage in enumerate(asked.passages if not options.as_json else (), 1):
        text = " ".join(_plain(passage.chunk.text).split())
        print(f"[{number}] {passage.score:.3f}  {_plain(passage.place)}  ({_plain(passage.chunk.source)})")
        print(f"    {text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}")
    if not options.as_json:
        print("" if asked.passages else "no passage fits these filters")
    if asked.passages:
        asyncio.run(_stream(options, answering, asked))
        asked.cited, asked.uncited = answering.cited(asked.text, asked.passages, asked.stages)
    if asked.passages and not options.as_json:
        _show_citations(asked)


async def _stream(options: Options, answering: Answering, asked: Completion) -> None:
    async with aclosing(answering.answer(options.question, asked.passages, asked.stages)) as pieces:
        async for piece in pieces:
            asked.text += piece
            if not options.as_json:
                print(_plain(piece), end="", flush=True)


def _show_citations(asked: Completion) -> None:
    print("\n")
    for cited in asked.cited:
        print(f"[{cited.number}] {_plain(cited.passage.place)}\n    {cited.link or f'no link: {cited.problem}'}")
    if asked.uncited:
        print(f"no source of this answer: {', '.join(f'[{number}]' for number in asked.uncited)}")
    if grading.is_refusal(asked.text):
        print("the sources do not answer this question")


def _plain(text: str) -> str:
    """A document or a model must not steer the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
