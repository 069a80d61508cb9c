"""An API key between services: made once, renewed when its rotation number changes, in a Secret and nowhere else.

A dynamic provider rather than `pulumi_random`: one plugin less to carry into an air gap. The key is secret from birth, so the state
holds it encrypted; a generation that tells nothing about it is what pods carry, so that they are restarted when it changes.
"""

import secrets
import sys
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi import dynamic

SECRET_KEY = "api_key"  # noqa: S105  the name of an entry, not a key
"""Entry of the Secret that holds the key."""

_KEY_BYTES = 32
_GENERATION_BYTES = 6


class GeneratedProvider(dynamic.ResourceProvider):
    """Input: `rotation`. Outputs: the same, `value`, `generation`. No fields, so that its pickle is nothing but an import path."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep the message of an error only: the provider's own process, which calls this, prints whole tracebacks."""
        _ = req
        if not sys.flags.dev_mode:
            sys.tracebacklimit = 0

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Draw a key."""
        return dynamic.CreateResult(secrets.token_hex(_GENERATION_BYTES), _drawn(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Only another rotation number is a change."""
        return dynamic.DiffResult(changes=_olds.get("rotation") != _news["rotation"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Draw another key."""
        return dynamic.UpdateResult(_drawn(_news))


def _drawn(inputs: dict[str, Any]) -> dict[str, Any]:
    value, generation = secrets.token_urlsafe(_KEY_BYTES), secrets.token_hex(_GENERATION_BYTES)
    return {"rotation": inputs["rotation"], "value": value, "generation": generation}


class Generated(dynamic.Resource, module="keys", name="Generated"):
    """A random text that stays the same until `rotation` changes."""

    value: pulumi.Output[str]
    """Secret."""
    generation: pulumi.Output[str]
    """Random; changes with the value and tells nothing about it."""

    def __init__(self, name: str, *, rotation: int, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["value"])
        inputs = {"rotation": rotation, "value": None, "generation": None}
        super().__init__(GeneratedProvider(), name, inputs, pulumi.ResourceOptions.merge(opts, secret))


class ApiKey(pulumi.ComponentResource):
    """The key of one service, in a Secret of its own under `api_key`."""

    secret_name: pulumi.Output[str]
    """Name of the Secret."""
    generation: pulumi.Output[str]
    """Changes whenever the key does."""

    def __init__(
        self,
        name: str,
        *,
        namespace: pulumi.Input[str],
        secret_name: str,
        rotation: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("milvus-x10000:index:ApiKey", name, None, opts)
        generated = Generated(f"{name}-value", rotation=rotation, opts=pulumi.ResourceOptions(parent=self))
        secret = k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": secret_name, "namespace": namespace},
            string_data={SECRET_KEY: generated.value},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.secret_name = secret.metadata["name"]
        self.generation = generated.generation
        self.register_outputs({"secret_name": self.secret_name, "generation": self.generation})
