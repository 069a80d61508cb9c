"""Options of the command line as dataclasses: each is declared once, beside what it means.

A field with an annotation of typer is an option; any other one keeps its default, and a subclass may make it an option of its command.
"""

import dataclasses
import inspect
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from validation.judge.errors import GateError, exit_code

Target = Annotated[str, typer.Argument(metavar="ENV", help="Environment, or a .json file with its outputs (`pulumi stack output --json`).")]

MountedFolder = Annotated[Path | None, typer.Option(help="Folder with NAME/KEY of Secrets and ConfigMaps, instead of the cluster's API.")]

Json = Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output; all else goes to standard error.")]


def command(act: Callable[[Any], int]) -> Callable[..., None]:
    """Return what typer calls: it makes the dataclass that `act` takes of the command line, and exits with what `act` returns."""
    options = get_type_hints(act)["options"]
    fields = inspect.signature(options)
    made = {field.name: field.default_factory() for field in dataclasses.fields(options) if callable(field.default_factory)}
    shown = [
        # a signature shows a mark in the place of what a factory makes, and typer would take that for a value
        field.replace(default=made.get(field.name, field.default))
        for field in fields.parameters.values()
        if hasattr(field.annotation, "__metadata__")
    ]

    def call(**given: Any) -> None:  # noqa: ANN401 - options of any type
        try:
            code = act(options(**given))
        except GateError as error:
            code = exit_code(error.outcome, strict=False)
            print(f"error: {error} (exit {code})", file=sys.stderr)
        raise typer.Exit(code)

    call.__signature__ = fields.replace(parameters=shown)  # type: ignore[attr-defined]  # typer looks at it
    return call


def report_path(out: Path | None, name: str = "report.json", room: str = "reports") -> Path:
    """Return where a report goes: into `out`, or a directory of this moment."""
    return (out or Path("build") / room / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}") / name
