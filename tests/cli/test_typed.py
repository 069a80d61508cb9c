"""What users are told to type exists: each `./rag COMMAND --option` of pages, messages and help, and each `milvus-x10000:` setting."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.tree import COMMANDS, PAGE

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("components", "stacks", "policies", "validation", "lab", "cli")
TEXTS = [
    *(path for room in ROOMS for kind in ("py", "yaml", "j2", "txt", "sh") for path in sorted((ROOT / room).rglob(f"*.{kind}"))),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "Pulumi.yaml", "Makefile")),
]
TYPED = re.compile(r"\./rag ((?:(?! -- |\./rag )[^`\"'\n;|#&)])+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def sections() -> dict[str, str]:
    """Return the help of each command by its name."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


HELP, SETTINGS = sections(), PAGE.with_name("settings.md").read_text(encoding="utf-8")
SETTING = re.compile(r"milvus-x10000:([a-z_]+(?:\.[a-z_][a-z0-9_]*)*)(?![\w:])")


def wrong(text: str) -> Iterator[str]:
    """Yield what is told to be typed and cannot be."""
    for match in TYPED.finditer(text):
        name, *_ = words = match[1].split()
        if not re.fullmatch(r"[a-z][a-z-]*[a-z]", name):
            continue
        if name not in COMMANDS:
            yield f"./rag {name}"
            continue
        known = "".join(each for title, each in HELP.items() if title.split()[0] == name)
        yield from (f"./rag {name} {option}" for option in OPTION.findall(" ".join(words)) if option not in OPTION.findall(known))


@pytest.mark.parametrize("path", [path for path in TEXTS if ".venv" not in path.parts], ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_options_and_settings_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [*wrong(text)] == []
    assert [key for key in SETTING.findall(text) if not re.search(rf"^\| `{re.escape(key)}[`.\[]", SETTINGS, re.MULTILINE)] == []


def test_one_that_does_not_exist_would_be_found() -> None:
    assert [*wrong("type `./rag slo init DIR --nothing`, or ./rag gone ENV --yes")] == ["./rag slo --nothing", "./rag gone"]
    assert [*wrong("./rag rotate ENV --yes; ./rag during lab -- ./rag rotate lab --yes; ./rag COMMAND --help")] == []
    assert SETTING.findall("milvus-x10000:milvus.query_node.replicas=2, milvus-x10000:index:Milvus") == ["milvus.query_node.replicas"]
