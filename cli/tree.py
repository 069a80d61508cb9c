"""The commands of `./rag`, as commands.yaml lists them: finding one by its name, the help of all and of each, a shell's completion."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
_KINDS = {"int": "N", "int range": "N", "float": "N", "float range": "N", "path": "PATH", "str": "TEXT"}
"""What an option takes; an argument has a name already."""
WIDTH = 60  # most characters of a line of help, so that a row fits 80 columns


class UsageError(Exception):
    """Wrong words on the command line."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Command:
    """One row."""

    name: str
    help: str
    room: str  # package whose `__main__.load` returns the command; "lab" has a command line of its own
    inner: str = ""  # its name there, where it is another one

    @property
    def code(self) -> str:
        """Its name in its room."""
        return self.inner or self.name


def _read_groups() -> dict[str, tuple[Command, ...]]:
    groups = yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text(encoding="utf-8"))
    return {title: tuple(Command(name=name, **row) for name, row in commands.items()) for title, commands in groups.items()}


OWN = "Your environment"
GROUPS = _read_groups()
STATUS = Command(name="status ENV", help="tell whether it is healthy now; --watch", room="stacks", inner="status")
"""`status` with an environment; without one it is the lab's."""
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}


def overview() -> str:
    """Return the help of `./rag`."""
    lines = list[str]()
    for title, commands in GROUPS.items():
        listed = (*commands, *([STATUS] if title == OWN else []))
        lines += [f"{title}:", *(f"  {command.name:<14}{command.help}" for command in listed), ""]
    return text_of("overview").format(commands="\n".join(lines))


def completion(words: Sequence[str]) -> int:
    """Print the completion of a shell, and return the exit code."""
    bash = Path(__file__).with_name("completion.bash").read_text(encoding="utf-8").strip().replace("$COMMANDS", " ".join(COMMANDS))
    scripts = {"bash": bash, "zsh": f"autoload -U +X bashcompinit && bashcompinit\n{bash}"}
    if len(words) != 1 or words[0] not in scripts:
        raise UsageError(f"{' '.join(words) or 'no word'} is no shell that is known: bash or zsh")
    print(scripts[words[0]])
    return 0


def text_of(name: str) -> str:
    """Return a text of help.yaml."""
    return str(yaml.safe_load(Path(__file__).with_name("help.yaml").read_text(encoding="utf-8"))[name])


def find(words: Sequence[str]) -> Command | str:
    """Return the command that the first word names, else why there is none."""
    if words[0] in COMMANDS:
        return COMMANDS[words[0]]
    close = get_close_matches(words[0], COMMANDS, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "./rag --help lists them"
    return f"there is no command {words[0]!r}; {hint}"


def help_of(command: Command) -> str:
    """Return the help of a command: as docs/commands.md has it, which costs no import, else as its code prints it."""
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
