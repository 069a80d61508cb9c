"""`./rag record`: run commands and draw what they print, as a terminal shows it, into an SVG for the docs."""

import io
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cli.tree import UsageError

WIDTH = 100


def record(words: Sequence[str]) -> int:
    """Write FILE.svg of `FILE.svg -- COMMAND`, and return the exit code of the command."""
    if len(words) < 3 or words[1] != "--" or not words[0].endswith(".svg"):  # noqa: PLR2004  file, --, command
        raise UsageError(f"{' '.join(words[:1]) or 'no word'}: say where and what, FILE.svg -- COMMAND")
    from rich.console import Console  # noqa: PLC0415  only where something is drawn
    from rich.text import Text  # noqa: PLC0415

    line = " ".join(words[2:])
    ended = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {line}\n{ended.stdout}".rstrip()))
    drawn = console.export_svg(title=line.partition(";")[0], unique_id="run")
    # no font from the internet: a page of the docs asks nobody outside
    Path(words[0]).write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")
    print(f"written: {words[0]} (exit {ended.returncode} of the command)")
    return ended.returncode
