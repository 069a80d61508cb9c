"""What dynamic providers share that keep nothing but their import path in the state: how they compare, what they tell of an error."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pulumi import dynamic

PROVIDER_KEY = "__provider"  # where Pulumi keeps the pickled provider among the inputs


class Provider(dynamic.ResourceProvider):
    """Base without fields, so that its pickle is an import path and equal everywhere."""

    serialize_as_secret_always = False  # it holds no secret, and a diff of it should be readable

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep the message of an error only: the provider's own process, which calls this, prints whole tracebacks."""
        _ = req
        if not sys.flags.dev_mode:  # PYTHONDEVMODE=1 shows them
            sys.tracebacklimit = 0

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Whatever differs is changed in place."""
        return dynamic.DiffResult(changes=inputs_of(_news) != {key: _olds.get(key) for key in inputs_of(_news)})


@dataclass(frozen=True, kw_only=True)
class AsInputs:
    """Plain texts that are inputs of a dynamic resource: to be written there, and read from there."""

    def inputs(self) -> dict[str, str]:
        """As inputs of a dynamic resource."""
        return asdict(self)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Self:
        """From the inputs of a dynamic resource."""
        return cls(**{field.name: inputs[field.name] for field in fields(cls)})


def inputs_of(props: Mapping[str, Any]) -> dict[str, Any]:
    """Properties without Pulumi's own."""
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}
