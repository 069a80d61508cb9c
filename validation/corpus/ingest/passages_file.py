"""The passages of a corpus as JSON lines, for whoever fits a model on them and has no reader of documents."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from validation.corpus.documents import read_corpus
from validation.judge.errors import UsageError

HELP = """Write the passages of a corpus as JSON lines: the corpus's sha256 first, then title, section and text of each chunk.

The lab's embedder is fitted on them. Exit codes: 0 written, 2 the corpus cannot be read, or the file not be written.
"""


def passages(
    corpus: Annotated[Path, typer.Argument(help="Directory with documents/<language>/ and questions.jsonl.")],
    out: Annotated[Path, typer.Argument(help="The file to write.")],
) -> None:
    """See HELP."""
    try:
        write(corpus, out)
    except (UsageError, OSError) as error:
        print(f"RESULT: ERROR {error} (exit 2)", file=sys.stderr)
        raise typer.Exit(2) from None


def write(corpus: Path, out: Path) -> None:
    """Write the file in one go, so that half of it is never taken for all."""
    read = read_corpus(corpus)
    lines = [{"corpus_sha256": read.sha256}, *({"title": one.title, "section": one.section, "text": one.text} for one in read.chunks)]
    out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
