"""What all groups of settings share: no unknown key, no change after reading, and plain numbers in the unit that a name ends with.

The reason of a setting is its description, or the docstring below it.
"""

import json
import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from stacks.problems import WrongValueError
from stacks.settings.explain import group_of, variants
from stacks.settings.names import TABLES, pem_of

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?) *(m|Ki|Mi|Gi|Ti|K|M|G|T)B?")


class Group(BaseModel):
    """A group of settings; an unknown key is refused, since a typing error would be silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_plain(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  a configuration value has any type
        field = cls.model_fields[info.field_name or ""]
        kinds = _kinds(field)
        if value in (None, "") and group_of(field) is not None:
            if field.default is None:
                return None
            cure = "a group has settings, each with a value; leave the name out where the defaults do"
            raise WrongValueError("settings.type", "is empty", cure)
        if isinstance(value, str) and value.startswith(("{", "[")):
            origins = {get_origin(option) for option in _alternatives(field.annotation)}
            if group_of(field) is not None or variants(field) or origins & {dict, list, tuple, Mapping}:
                return parsed(value)
        if int in kinds or float in kinds:
            return _number(value, info.field_name or "")
        if kinds == {bool} and isinstance(value, int | float) and not isinstance(value, bool):
            raise WrongValueError("settings.boolean", "is a number, and the answer is true or false")
        if kinds == {str} and isinstance(value, bool | int | float):
            kind = "true or false" if isinstance(value, bool) else "a number"
            raise WrongValueError("settings.text", f"is {kind}, not text; write it in quotes")
        return value


class Trusting(Group):
    """A group with `ca_file`, the PEM file of a private authority."""

    @property
    def ca_pem(self) -> str:
        """Text of `ca_file`, "" without one."""
        return pem_of(getattr(self, "ca_file", None))


def setting(default: Any, example: object, reason: str | None = None, **bounds: Any) -> Any:  # noqa: ANN401  a field of any type
    """Return a field: its default, `...` for none; an example to type; what it is for, where no docstring below says so."""
    return Field(default, examples=[example], description=reason, **bounds)


def parsed(text: str) -> Any:  # noqa: ANN401  as above
    """Return what a text holds that begins like JSON, as `pulumi config set` stores lists and groups; WrongValueError."""
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except WrongValueError:
        raise
    except (ValueError, RecursionError) as error:
        raise WrongValueError("settings.json", f"begins like JSON and is none: {error}") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise WrongValueError("settings.duplicate", f"{twice[0]!r} stands in it twice", "only the last of them would count")
    return dict(pairs)


def _alternatives(annotation: Any) -> list[Any]:  # noqa: ANN401  an annotation has any type
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return [each for option in get_args(annotation) for each in _alternatives(option)]
    return [annotation]


def _kinds(field: FieldInfo) -> set[Any]:
    """Plain types that a field takes, without None."""
    options = _alternatives(field.annotation)
    literal = {type(item) for option in options if get_origin(option) is Literal for item in get_args(option)}
    return {item for item in options if item in {str, int, float, bool}} | literal


def _number(value: Any, name: str) -> Any:  # noqa: ANN401  as above
    about = next(about for unit, about in TABLES["units"].items() if name.endswith(unit))
    if isinstance(value, bool):
        raise WrongValueError("settings.boolean", "is true or false, not a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        quantity = _QUANTITY.fullmatch(value)
        factor = about.get("factors", {}).get(quantity[2]) if quantity is not None else None
        same = f"{float(quantity[1]) * factor:.4g}" if quantity is not None and factor is not None else None
        raise WrongValueError("settings.number", f"is no plain number; write {about['words']}", instead=same)
    if isinstance(value, str | int | float) and 0 < float(value) < about.get("least", 0):
        raise WrongValueError("settings.too_small", "is so little that nothing would be left", f"Kubernetes is asked for {about['in']}")
    return value
