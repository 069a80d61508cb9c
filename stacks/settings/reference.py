"""Every setting as a page: key, default, what it is for, an example. docs/settings.md is this text, and a test compares."""

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stacks.settings import Settings
from stacks.settings.explain import group_of, variants

_HEAD = """# Settings

Written by `./rag reference` from the code; a test compares. A setting stands in `stacks/Pulumi.ENV.yaml` below its group
(`milvus-x10000:GROUP:`), or is set with `pulumi config set --stack ENV --path milvus-x10000:KEY VALUE`. All are checked at once:
`./rag check ENV`. "required" has no default: nobody but you can know it.
"""


def page() -> str:
    """Return the page."""
    top = [(name, field) for name, field in Settings.model_fields.items() if not _inner(field)]
    parts = [_HEAD, *_table("Of the environment", (("", name, field) for name, field in top))]
    for name, field in Settings.model_fields.items():
        for driver, group in _inner(field):
            title = f"{name}, driver {driver}" if driver else name
            parts += _table(title, _rows(name, group), _text(field.description))
    return "\n".join(parts)


def _inner(field: FieldInfo) -> list[tuple[str, type[BaseModel]]]:
    """Groups of a field, with the driver of each where it has several."""
    if several := variants(field):
        return list(several.items())
    group = group_of(field)
    return [("", group)] if group is not None else []


def _rows(prefix: str, group: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in group.model_fields.items():
        inner = _inner(field)
        if inner and all(part is not group for _, part in inner):
            for _, part in inner:
                yield from _rows(f"{prefix}.{name}", part)
        else:
            yield prefix, name, field


def _table(title: str, rows: Iterator[tuple[str, str, FieldInfo]], reason: str = "") -> list[str]:
    lines = [f"## {title}\n", *([f"{reason}\n"] if reason else []), "| key | default | what it is for | example |", "|---|---|---|---|"]
    for prefix, name, field in rows:
        example = _text(str((field.examples or [""])[0]))
        key = f"`{prefix}.{name}`" if prefix else f"`{name}`"
        lines.append(f"| {key} | {_default(field)} | {_text(field.description)} | {f'`{example}`' if example else ''} |")
    return [*lines, ""]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float) or (isinstance(value, str) and value) else "none"


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())
