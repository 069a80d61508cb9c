"""YAML for people who compare: keys in order, long text as lines of its own, the same bytes every time; and files written whole or not."""

from pathlib import Path
from typing import Any

import yaml

_WIDTH = 140


class _Dumper(yaml.SafeDumper):
    """Never an anchor, since two equal parts are not one; several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  PyYAML's signature
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dump(value: object) -> str:
    """Return `value` as YAML."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=_WIDTH))


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: who reads it sees the old or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
