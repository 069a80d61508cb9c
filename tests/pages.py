"""Pages and pictures of docs that come from the code: `make docs` writes docs/commands.md and docs/settings.md anew, `record` draws.

python -m tests.pages
python -m tests.pages record docs/check.svg "./rag check acme; ./rag status acme"
"""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.text import Text

from cli.tree import GROUPS, OWN, PAGE, STATUS, printed
from stacks.settings import Settings
from stacks.settings.explain import group_of, variants

SETTINGS = PAGE.with_name("settings.md")
_WIDTH = 100
_COMMANDS = """# Commands

Written by `make docs` from the code; a test compares. `./rag COMMAND --help` prints the same.
"""
_HEAD = """# Settings

Written by `make docs` from the code; a test compares. A setting stands in `stacks/Pulumi.ENV.yaml` below its group
(`milvus-x10000:GROUP:`), or is set with `pulumi config set --stack ENV --path milvus-x10000:KEY VALUE`. All are checked at once:
`./rag check ENV`. "required" has no default: nobody but you can know it.
"""


def main(words: list[str]) -> int:
    """Write both pages, or draw what a command prints."""
    if words[:1] == ["record"]:
        return record(Path(words[1]), words[2])
    PAGE.write_text(commands(), encoding="utf-8")
    SETTINGS.write_text(settings(), encoding="utf-8")
    print(f"written: docs/{PAGE.name}, docs/{SETTINGS.name}")
    return 0


def commands() -> str:
    """Return docs/commands.md."""
    parts = [_COMMANDS]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n")
        listed = (*group, *([STATUS] if title == OWN else []))
        parts += [f"### {command.name}\n\n```\n{printed(command)}```\n" for command in listed]
    return "\n".join(parts)


def settings() -> str:
    """Return docs/settings.md: key, default, what it is for, an example."""
    top = [(name, field) for name, field in Settings.model_fields.items() if not _inner(field)]
    parts = [_HEAD, *_table("Of the environment", (("", name, field) for name, field in top))]
    for name, field in Settings.model_fields.items():
        for driver, group in _inner(field):
            title = f"{name}, driver {driver}" if driver else name
            parts += _table(title, _rows(name, group), _text(field.description))
    return "\n".join(parts)


def _inner(field: FieldInfo) -> list[tuple[str, type[BaseModel]]]:
    """Groups of a field, with the driver of each where it has several."""
    if several := variants(field):
        return list(several.items())
    group = group_of(field)
    return [("", group)] if group is not None else []


def _rows(prefix: str, group: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in group.model_fields.items():
        inner = _inner(field)
        if inner and all(part is not group for _, part in inner):
            for _, part in inner:
                yield from _rows(f"{prefix}.{name}", part)
        else:
            yield prefix, name, field


def _table(title: str, rows: Iterator[tuple[str, str, FieldInfo]], reason: str = "") -> list[str]:
    lines = [f"## {title}\n", *([f"{reason}\n"] if reason else []), "| key | default | what it is for | example |", "|---|---|---|---|"]
    for prefix, name, field in rows:
        example = _text(str((field.examples or [""])[0]))
        key = f"`{prefix}.{name}`" if prefix else f"`{name}`"
        lines.append(f"| {key} | {_default(field)} | {_text(field.description)} | {f'`{example}`' if example else ''} |")
    return [*lines, ""]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float) or (isinstance(value, str) and value) else "none"


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


def record(file: Path, line: str) -> int:
    """Draw a command of the shell and what it prints into an SVG, as a terminal shows it; return its exit code."""
    ended = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {line}\n{ended.stdout}".rstrip()))
    drawn = console.export_svg(title=line.partition(";")[0], unique_id="run")
    # no font from the internet: a page of the docs asks nobody outside
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")
    print(f"written: {file} (exit {ended.returncode} of the command)")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
