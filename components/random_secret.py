"""Random secrets: drawn once, kept until their number changes, in the state encrypted and in no plain text.

A dynamic provider rather than `pulumi_random`: one plugin less to carry into an air gap.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import Provider, inputs_of

_SECRET_BYTES, _GENERATION_BYTES = 32, 6


def draw(size_bytes: int = _SECRET_BYTES) -> str:
    """Return a random text of letters, digits, dash and underscore: safe in an environment, a URL and a YAML string."""
    return secrets.token_urlsafe(size_bytes)


def new_generation() -> str:
    """Return a text that pods may carry: it changes with a secret, so that they restart, and tells nothing about it."""
    return secrets.token_hex(_GENERATION_BYTES)


class RandomSecretProvider(Provider):
    """Input: `number`. Outputs: the same, `output`, and `generation` unless the number is called so."""

    def __init__(self, *, number: str, output: str, size_bytes: int) -> None:
        super().__init__()
        self.number, self.essential, self.size_bytes = number, output, size_bytes

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Draw one."""
        return dynamic.CreateResult(new_generation(), self._drawn(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Draw another one where the number has changed, and only there."""
        if _olds[self.number] != _news[self.number] or not _olds.get(self.essential):
            return dynamic.UpdateResult(self._drawn(_news))
        return dynamic.UpdateResult({**inputs_of(_olds), **inputs_of(_news)})

    def _drawn(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"generation": new_generation(), **inputs_of(inputs), self.essential: draw(self.size_bytes)}


class RandomSecret(dynamic.Resource, module="keys", name="Generated"):
    """A random text that stays the same until `rotation` changes."""

    value: pulumi.Output[str]
    """Secret."""
    generation: pulumi.Output[str]
    """Random; changes with the value and tells nothing about it."""

    def __init__(self, name: str, *, rotation: int, opts: pulumi.ResourceOptions | None = None) -> None:
        provider = RandomSecretProvider(number="rotation", output="value", size_bytes=_SECRET_BYTES)
        secret = pulumi.ResourceOptions(additional_secret_outputs=["value"])
        inputs = {"rotation": rotation, "value": None, "generation": None}
        super().__init__(provider, name, inputs, pulumi.ResourceOptions.merge(opts, secret))
