"""`./rag collections`: what Milvus holds, and whether it can be searched."""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated

import typer

from validation.clients import target
from validation.clients.connect import open_connector
from validation.run.options import Json, Target


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `collections`."""

    stack: Target
    drop: Annotated[list[str], typer.Option(metavar="NAME", help="Remove this collection first; its originals stay in their bucket.")] = (
        field(default_factory=list)
    )
    as_json: Json = False


def act(options: Options) -> int:
    """List them."""
    aim = target.read(options.stack)
    with ExitStack() as closing:
        milvus = open_connector(aim, closing, [], aim.milvus_uri).milvus()
        for name in options.drop:
            milvus.drop(name)
            print(f"removed: {name}", file=sys.stderr)
        listed = milvus.overview()
    if options.as_json:
        print(json.dumps(listed, indent=2))
        return 0
    for each in listed:
        print(f"{each['rows']:>12,} rows  {each['state']:<8} {each['segments']:>4} segments in memory  {each['name']}")
    print(f"{len(listed)} collections")
    return 0
