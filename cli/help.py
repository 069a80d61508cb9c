"""The help of a command: as docs/commands.md has it, which costs no import, else as its code prints it."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from cli.tree import Command, text_of

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
_KINDS = {"int": "N", "int range": "N", "float": "N", "float range": "N", "path": "PATH", "str": "TEXT"}
"""What an option takes; an argument has a name already."""


def help_of(command: Command) -> str:
    """Return the help of a command: from the page, else from its code."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    section = re.search(rf"^### {re.escape(command.name)}\n\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return section[1] if section else printed(command)


def printed(command: Command) -> str:
    """Return the help of a command as its code prints it, 80 columns wide."""
    if command.room == "cli":
        return f"Usage: ./rag {command.name} [OPTIONS]\n\n{text_of(command.name)}"
    if command.room == "lab":
        return str(import_module("lab.__main__").help_of(command.name))
    return _of(import_module(f"{command.room}.__main__").load(command.code), f"./rag {command.name.partition(' ')[0]}")


def _of(loaded: Any, name: str) -> str:  # noqa: ANN401  typer keeps its types private
    context = loaded.make_context(name, [], resilient_parsing=True, terminal_width=80, max_content_width=80)
    first, _, rest = str(loaded.get_help(context)).partition("\n")
    option, argument = r"(?m)^(  (?:-\w, )?--[\w/-]+ )<([a-z ]+)>", r"(?m)^(  [A-Z-][\w. -]* )(<[a-zA-Z\[\] ]+>)"
    rest = re.sub(option, lambda part: part[1] + _KINDS.get(part[2], f"<{part[2]}>").ljust(len(part[2]) + 2), rest)
    rest = re.sub(argument, lambda part: part[1] + " " * len(part[2]), rest)
    text = re.sub(r" +$", "", f"{re.sub(r'[{}]', '', first)}\n{rest}", flags=re.MULTILINE) + "\n"
    return "\n".join([text, *(_of(part, f"{name} {title}") for title, part in getattr(loaded, "commands", {}).items())])
