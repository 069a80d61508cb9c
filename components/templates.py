"""YAML that reads as what it becomes: templates beside the code, into which plain data and Pulumi's outputs are filled."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2.runtime import Context

_MARK = "\ue000{}\ue000"  # stands for an output until the text is data again
_PAGES = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701  no HTML


def rendered(template: Path, **words: Any) -> list[Any]:  # noqa: ANN401  as the template takes them
    """Return the documents of a template, in which every value is written by `tojson`, since YAML reads JSON; null leaves its key out."""
    outputs = list[object]()
    text = _page(template).render(words, outputs=outputs)
    known = {_MARK.format(number): output for number, output in enumerate(outputs)}
    return [_filled(document, known) for document in yaml.load_all(text, yaml.CSafeLoader)]


@cache
def _page(template: Path) -> jinja2.Template:
    return _PAGES.from_string(template.read_text(encoding="utf-8"))


@jinja2.pass_context
def _json(context: Context, value: object, *, whole: bool = False) -> str:
    """Write a value; `whole` is one that stays as it is, whatever it holds, as an output does."""

    def plain(item: object) -> object:
        if isinstance(item, Mapping) and not whole:
            return dict(item)
        context["outputs"].append(item)
        return _MARK.format(len(context["outputs"]) - 1)

    return json.dumps(plain(value) if whole else value, default=plain, ensure_ascii=False)


_PAGES.filters["tojson"] = _json


def _filled(tree: Any, outputs: Mapping[str, object]) -> Any:  # noqa: ANN401  plain data of any shape
    """Put outputs into their places, and leave out keys without a value, and groups that hold nothing else."""
    if isinstance(tree, dict):
        kept = {name: item for name, value in tree.items() if (item := _filled(value, outputs)) is not None}
        return kept if kept or not tree else None
    if isinstance(tree, list):
        return [_filled(item, outputs) for item in tree]
    return outputs.get(tree, tree) if isinstance(tree, str) else tree
