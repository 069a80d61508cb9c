"""Every command of `./rag`: its group, its name, where its code is, and one line of help."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

WIDTH = 60  # most characters of a line of help, so that a row fits 80 columns


class UsageError(Exception):
    """Wrong words on the command line."""

    exit_code = 2


@dataclass(frozen=True)
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


OWN = "Your environment"
GROUPS: dict[str, tuple[Command, ...]] = {
    "This machine (the lab)": (
        Command("up", "bring the lab up: tools, Kubernetes, pulumi up, gate", "lab"),
        Command("down", "end the lab; only the cache stays", "lab"),
        Command("status", "what of the lab runs, and what is wrong", "lab"),
        Command("env", 'what a shell of the lab needs: eval "$(./rag env)"', "lab"),
    ),
    OWN: (
        Command("init", "make an environment of your own", "stacks"),
        Command("check", "check cluster and settings; --pre before installation", "stacks"),
        Command("preview", "show what pulumi up would change", "stacks"),
        Command("values", "print the values that the Milvus chart gets", "stacks"),
        Command("render", "write every object of the stack, one file each", "stacks"),
        Command("policies", "judge every object by the rules of policies/", "stacks"),
        Command("needs", "print what it takes of a cluster, as a table", "stacks"),
        Command("pin", "ask registries for digests, and write the lock", "stacks"),
        Command("images", "print images and chart to mirror (air gap)", "stacks"),
        Command("monitoring", "write alerting rules, OpenSLO, Grafana's dashboards", "stacks"),
        Command("gpus", "tell whether a node has the GPUs that it asks for", "stacks"),
        Command("preflight", "test the store with Milvus's key, from here", "stacks"),
        Command("deploy", "pulumi up, with its pods watched", "stacks", "up"),
        Command("rollout", "settings, preflight, pulumi up and gate in one", "stacks"),
        Command("doctor", "find what is half-done, and mend it with --cure", "stacks"),
        Command("rotate", "give Milvus a new key at the store", "stacks"),
        Command("backup", "back collections up into another bucket; --list", "validation"),
        Command("restore", "bring a backup back, and prove that it is the same", "validation"),
    ),
    "Measure": (
        Command("gate", "measure a deployed stack and judge it by its SLOs", "validation", "run"),
        Command("ingest", "keep a collection in step with a folder", "validation"),
        Command("collections", "list what Milvus holds: rows, loaded or not, segments", "validation"),
        Command("read", "show what ingest would read of a file or folder", "validation"),
        Command("ask", "ask a collection, and see the passages it answers from", "validation"),
        Command("serve", "answer on a page, and behind the API of OpenAI", "validation"),
        Command("original", "fetch the document that an answer cites", "validation"),
        Command("sweep", "find the highest rate at which the SLOs hold", "validation"),
        Command("during", "search while a command runs; tell what it cost", "validation"),
        Command("selftest", "plant defects: does the gate see each of them?", "validation"),
        Command("drill", "break it on purpose, and count what was lost", "validation"),
        Command("store", "test any S3 store: can Milvus live on it?", "validation", "preflight"),
        Command("report", "show a run as a page, Markdown or JUnit", "validation"),
        Command("runs", "list the runs on this machine, with their labels", "validation"),
        Command("slo", "init: write a starting SLO file for your documents", "validation"),
        Command("compare", "compare two runs: what became worse", "validation"),
        Command("baseline", "keep a run to compare with: set, show", "validation"),
        Command("calibrate", "propose limits from three or more equal runs", "validation"),
        Command("checks", "list what the gate asks, with its measures", "validation"),
    ),
    "Development (more: make help)": (
        Command("venv", "make the virtual environment, and nothing else", "lab"),
        Command("clean-cache", "remove tools, images and virtual environments", "lab"),
        Command("report-schema", "print the JSON schema of report.json", "validation"),
        Command("reference", "write docs/commands.md and docs/settings.md anew", "cli"),
        Command("record", "draw a command and what it prints as SVG, for the docs", "cli"),
        Command("completion", "print the completion of a shell: bash or zsh", "cli"),
    ),
}
STATUS = Command("status ENV", "tell whether it is healthy now; --watch", "stacks", "status")
"""`status` with an environment; without one it is the lab's."""
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}


def overview() -> str:
    """Return the help of `./rag`."""
    lines = list[str]()
    for title, commands in GROUPS.items():
        listed = (*commands, *([STATUS] if title == OWN else []))
        lines += [f"{title}:", *(f"  {command.name:<14}{command.help}" for command in listed), ""]
    return text_of("overview").format(commands="\n".join(lines))


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
