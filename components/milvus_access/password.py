"""The password of Milvus's `root`: random, made once, another one for every generation.

Owned by a provider of ours: the official random provider is a plugin that an air-gapped machine would have to fetch. The password is
in the state, encrypted, and in one Secret; nowhere else.
"""

import secrets
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import Provider, inputs_of

_BYTES = 24
"""192 bits, 32 characters: Milvus takes 6 to 72."""


class PasswordProvider(Provider):
    """Input: `generation`. Output: `password`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make one."""
        return dynamic.CreateResult("root", {**inputs_of(props), "password": _password()})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Make another one: the generation was raised."""
        return dynamic.UpdateResult({**inputs_of(_news), "password": _password()})


class Password(dynamic.Resource, module="milvus", name="Password"):
    """A random password."""

    password: pulumi.Output[str]
    """Secret in the state."""

    def __init__(self, name: str, *, generation: int, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(PasswordProvider(), name, {"generation": generation, "password": None}, pulumi.ResourceOptions.merge(opts, secret))


def _password() -> str:
    """Letters, digits, dash and underscore: safe in an environment, a URL and a YAML string."""
    return secrets.token_urlsafe(_BYTES)
