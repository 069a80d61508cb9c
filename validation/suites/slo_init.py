"""`./rag slo init`: a starting SLO file for a folder of documents: what can be measured on it, and no promise that it cannot keep."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from validation.checks import existing
from validation.checks.gate import GATE
from validation.corpus.documents import read_questions
from validation.judge import slo_file
from validation.judge.errors import UsageError
from validation.reports.history import answered
from validation.run.record import Record

LEAST_VECTORS = 100
_ANSWERABLE, _UNANSWERABLE = 20, 10
slo = typer.Typer(
    help="Write a starting SLO file for your documents: `init`.\n\nExample:\n\n    ./rag slo init my/documents --out my.yaml",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
CHECKED = {measure.name for check in GATE.ordered() for measure in check.measures}


@slo.callback()
def _slo() -> None:
    pass


@slo.command("init")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the documents, with questions.jsonl.")],
    out: Annotated[Path, typer.Option(help="The SLO file to write; one that is there is not replaced.")] = Path("my-slo.yaml"),
    like: Annotated[Path, typer.Option(help="SLO file whose limits are taken over.")] = Path("validation/slo.dev.yaml"),
) -> None:
    """Write an SLO file with the limits of another one, as far as they can be measured on DIR without writing."""
    with answered():
        if out.exists():
            raise UsageError(f"{out} is there already; name another file with --out")
        record, questions = Record(), read_questions(folder / "questions.jsonl", None)
        profile = existing.judgeable(slo_file.read_profile(like), record)
        profile = existing.scaled(profile, LEAST_VECTORS, questions, record)
        data = yaml.safe_load(like.read_text(encoding="utf-8"))
        data["profile"] = out.stem.removeprefix("slo.").lower().replace("_", "-").replace(".", "-")
        data["reason"] = f"a start for the documents of {folder.name}; its limits are those of {like.name}: make them yours"
        why = "the fewest of which a percentile of recall means anything; raise it to what you have"
        data["vectors"] |= {"value": LEAST_VECTORS, "reason": why}
        data["objectives"] = {name: each for name, each in data["objectives"].items() if name in profile.objectives}
        data["search"]["filters"] = [{"share": 1}]
        data.pop("ingesting", None)
        answerable = sum(question.is_answerable for question in questions)
        head = [
            f"# Written by `./rag slo init` for {len(questions)} questions, {len(questions) - answerable} of them unanswerable.",
            f"# What the gate asks of your data: {LEAST_VECTORS} chunks, {_ANSWERABLE} answerable questions for shares of answers,",
            f"# {_UNANSWERABLE} unanswerable ones if refusal is promised. How numbers are judged: docs/gate.md.",
            *(f"# left out: {name}: {why}" for name, why in record.skipped.items() if name in CHECKED),
        ]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join(head) + "\n" + yaml.safe_dump(data, sort_keys=False, width=140, allow_unicode=True), encoding="utf-8")
        slo_file.read_profile(out)
        print(f"written: {out}, with {len(data['objectives'])} objectives; use it:")
        print(f"  ./rag gate ENV --collection NAME --corpus {folder} --slo {out}")
        documents = sum(path.is_file() for path in folder.rglob("*")) - 1
        if documents < LEAST_VECTORS:
            few = f"{folder} has {documents} documents: unless they make {LEAST_VECTORS} chunks, that gate is INVALID"
            print(f"{few}; without --slo it is scaled to what is there")
