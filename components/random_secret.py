"""Random secrets, API keys between services among them: drawn once, kept until their number changes, in no plain text.

In the state they are encrypted, since they are secret from birth. A dynamic provider rather than `pulumi_random`: one plugin less to carry
into an air gap. A generation changes with a secret and tells nothing about it: pods carry it, so that they are restarted.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.component import Component
from components.dynamic_provider import DynamicResource, Provider, inputs_of

SECRET_KEY = "api_key"  # noqa: S105  the name of an entry, not a key
"""Entry of the Secret of an ApiKey."""
_SECRET_BYTES, _GENERATION_BYTES = 32, 6


def draw(size_bytes: int = _SECRET_BYTES) -> str:
    """Return a random text of letters, digits, dash and underscore: safe in an environment, a URL and a YAML string."""
    return secrets.token_urlsafe(size_bytes)


def new_generation() -> str:
    """Return a random text for pods to carry."""
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


class RandomSecret(DynamicResource, module="keys", name="Generated"):
    """A random text that stays the same until `rotation` changes."""

    results = ("value", "generation")
    secrets = ("value",)
    value: pulumi.Output[str]
    generation: pulumi.Output[str]


class ApiKey(Component):
    """The API key of one service, renewed when its rotation number changes, in a Secret of its own under `api_key` and nowhere else."""

    secret_name: pulumi.Output[str]
    generation: pulumi.Output[str]  # changes whenever the key does

    def __init__(
        self, name: str, *, namespace: pulumi.Input[str], secret_name: str, rotation: int, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        provider = RandomSecretProvider(number="rotation", output="value", size_bytes=_SECRET_BYTES)
        key = RandomSecret(provider, f"{name}-value", {"rotation": rotation}, self._own)
        self.secret_name = self._make_secret(f"{name}-secret", secret_name, namespace, api_key=key.value)
        self.generation = key.generation
        self.register_outputs({"secret_name": self.secret_name, "generation": self.generation})
