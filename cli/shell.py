"""Small things of the shell: `--version` and completion."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from cli.tree import COMMANDS, UsageError

_ZSH = "autoload -U +X bashcompinit && bashcompinit"


def completion(words: Sequence[str]) -> int:
    """Print the completion of a shell, and return the exit code."""
    bash = Path(__file__).with_name("completion.bash").read_text(encoding="utf-8").strip().replace("$COMMANDS", " ".join(COMMANDS))
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
