"""Small things of the shell: `--version`, completion, and a command drawn into an SVG for the docs, as a terminal shows it."""

import io
import re
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from cli.tree import COMMANDS, UsageError

_BASH = """_rag() {{
    local here; here=$(dirname -- "$(readlink -f -- "${{COMP_WORDS[0]/#\\~/$HOME}}")")
    case $COMP_CWORD in
        1) COMPREPLY=($(compgen -W "{commands} --help --version" -- "$2")) ;;
        2) COMPREPLY=($(compgen -W "$(ls "$here/stacks" | sed -n 's/^Pulumi\\.\\(.*\\)\\.yaml$/\\1/p')" -- "$2")) ;;
        *) COMPREPLY=($(compgen -f -- "$2")) ;;
    esac
}}
complete -F _rag ./rag rag"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit"
_WIDTH = 100


def completion(words: Sequence[str]) -> int:
    """Print the completion of a shell, and return the exit code."""
    bash = _BASH.format(commands=" ".join(COMMANDS))
    scripts = {"bash": bash, "zsh": f"{_ZSH}\n{bash}"}
    if len(words) != 1 or words[0] not in scripts:
        raise UsageError(f"{' '.join(words) or 'no word'} is no shell that is known: bash or zsh")
    print(scripts[words[0]])
    return 0


def version(root: Path) -> str:
    """Return the versions of the product, of what it installs by default, and of its reports."""
    from components.versions import MILVUS_CHART_VERSION, MILVUS_VERSION  # noqa: PLC0415  only when it is asked for

    product = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return f"rag {product}, Milvus chart {MILVUS_CHART_VERSION}, Milvus {MILVUS_VERSION}, report schema 1"


def record(words: Sequence[str]) -> int:
    """Write FILE.svg of `FILE.svg -- COMMAND`, and return the exit code of the command."""
    if len(words) < 3 or words[1] != "--" or not words[0].endswith(".svg"):  # noqa: PLR2004  file, --, command
        raise UsageError(f"{' '.join(words[:1]) or 'no word'}: say where and what, FILE.svg -- COMMAND")
    from rich.console import Console  # noqa: PLC0415  only where something is drawn
    from rich.text import Text  # noqa: PLC0415

    line = " ".join(words[2:])
    ended = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {line}\n{ended.stdout}".rstrip()))
    drawn = console.export_svg(title=line.partition(";")[0], unique_id="run")
    # no font from the internet: a page of the docs asks nobody outside
    Path(words[0]).write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")
    print(f"written: {words[0]} (exit {ended.returncode} of the command)")
    return ended.returncode
