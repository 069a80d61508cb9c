"""The commands of `./rag`, as commands.yaml lists them: how one is found by its name, the overview of all, a shell's completion."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

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
