"""YAML for people who compare: keys in order, long text as lines of its own, the same bytes every time."""

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
