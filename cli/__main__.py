"""The command line of `./rag`: finds the command, imports its code, and ends with its exit code.

Whatever a command raises with an `exit_code` is for the user to read, without a traceback. Shared options are taken anywhere before `--`.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from cli import tree
from cli.tree import Command, UsageError

ROOT = Path(__file__).parent.parent
_USAGE, _INTERRUPTED = 2, 130
_NO_JSON = "--json: this command reports nothing as JSON"
_ELSEWHERE = {"KUBECONFIG", "PULUMI_BACKEND_URL", "PULUMI_STACK"}  # a shell that names one of them means what it names
_SHARED = {"--quiet": "quiet", "-q": "quiet", "--verbose": "verbose", "-v": "verbose", "--json": "json"}


def main() -> int:
    """Run what was typed, and return its exit code."""
    _renew_packages()
    words, shared = _split(sys.argv[1:])
    if not words or words[0] in {"--help", "-h", "help"}:
        print(tree.overview(), end="")
        return 0 if words else _USAGE
    if words[0] == "--version":
        print(_versions())
        return 0
    command = tree.find(words)
    if words[0] == "status" and [word for word in words[1:] if not word.startswith("-")]:
        command = tree.STATUS
    if isinstance(command, str):
        return _refuse(command)
    if command.room != "lab" and "lab" in words[1:3] and not _ELSEWHERE & os.environ.keys():
        os.environ |= import_module("lab.project").shell()
    return run(command, words[1:], shared)


def _versions() -> str:
    """Return the versions of the product, of what it installs by default, and of its reports."""
    from components.versions import MILVUS_CHART_VERSION, MILVUS_VERSION  # noqa: PLC0415  only when it is asked for

    product = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return f"rag {product}, Milvus chart {MILVUS_CHART_VERSION}, Milvus {MILVUS_VERSION}, report schema 1"


def _renew_packages() -> None:
    """Go on with the packages that requirements.lock asks for, where they changed since the lab made the virtual environment."""
    home = Path(sys.prefix).resolve()
    key = hashlib.sha256((ROOT / "requirements.lock").read_bytes() + sys.version.encode()).hexdigest()[:12]
    if home.name != key and home.parent.name == "venv" and home.parent.parent.name == "milvus-x10000":
        if code := subprocess.run(["python3", "-m", "lab", "venv"], cwd=ROOT, stdout=sys.stderr, check=False).returncode:
            sys.exit(code)
        if (ROOT / ".venv").resolve() != home:
            os.execv(ROOT / "rag", [str(ROOT / "rag"), *sys.argv[1:]])  # noqa: S606  not a shell


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return words of the command and the shared options; --no-color is done with here: all that prints obeys NO_COLOR."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--no-color" in arguments[:end]:
        os.environ["NO_COLOR"] = "1"
    words = [word for word in arguments[:end] if word not in _SHARED and word != "--no-color"]
    return [*words, *arguments[end:]], [_SHARED[word] for word in arguments[:end] if word in _SHARED]


def run(command: Command, words: list[str], shared: Sequence[str] = ()) -> int:
    """Run one command with its own words, and return its exit code."""
    if {"--help", "-h"} & set(words[: words.index("--") if "--" in words else None]):
        print(tree.help_of(command), end="")
        return 0
    try:
        return _run(command, words, shared)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return _refuse(_text(error, command), code)


def _run(command: Command, words: list[str], shared: Sequence[str]) -> int:
    if command.room == "cli":
        return tree.completion(words)
    if command.room == "lab":
        if "json" in shared and command.name != "status":
            raise UsageError(_NO_JSON)
        sys.argv = ["./rag", command.code, *words, *(["--json"] if "json" in shared else [])]
        code: int = import_module("lab.__main__").main()
        return code
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    loaded = import_module(f"{command.room}.__main__").load(command.code)
    inner = getattr(loaded, "commands", {}).get(words[0] if words else "")
    known = {name for parameter in (inner or loaded).params for name in parameter.opts}
    if "json" in shared and "--json" not in known:
        raise UsageError(_NO_JSON)
    options = [f"--{name}" for name in dict.fromkeys(shared) if f"--{name}" in known]
    words = [*words[:1], *options, *words[1:]] if inner else [*options, *words]
    with contextlib.ExitStack() as closing:
        if "quiet" in shared and "--quiet" not in options:
            nothing = closing.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            closing.enter_context(contextlib.redirect_stderr(nothing))
        return int(loaded.main(args=words, prog_name=f"./rag {command.name}", standalone_mode=False) or 0)


def _text(error: Exception, command: Command) -> str:
    """Return what is wrong; of wrong usage also where the right one is shown, and of a missing ENV which there are."""
    show = getattr(error, "format_message", None)
    if show is None and not isinstance(error, UsageError):
        return str(error)
    text = str(show() if show is not None else error).rstrip(".")
    environments = sorted(path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml"))
    names = f"; there are: {', '.join(environments)}" if "'ENV'" in text else ""
    return f"{text}{names}; see: ./rag {command.name.partition(' ')[0]} --help"


def _refuse(text: str, code: int = _USAGE) -> int:
    print(text if text.startswith("error: ") else f"error: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
