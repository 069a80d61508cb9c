"""An API key between services: made once, renewed when its rotation number changes, in a Secret and nowhere else.

The key is secret from birth, so the state holds it encrypted; a generation that tells nothing about it is what pods carry, so that they
are restarted when it changes.
"""

import pulumi
import pulumi_kubernetes as k8s

from components.dynamic_provider import Provider as GeneratedProvider  # noqa: F401  what the state of an older stack names
from components.random_secret import RandomSecret

SECRET_KEY = "api_key"  # noqa: S105  the name of an entry, not a key
"""Entry of the Secret that holds the key."""


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
        generated = RandomSecret(f"{name}-value", rotation=rotation, opts=pulumi.ResourceOptions(parent=self))
        secret = k8s.core.v1.Secret(
            f"{name}-secret",
            metadata={"name": secret_name, "namespace": namespace},
            string_data={SECRET_KEY: generated.value},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.secret_name = secret.metadata["name"]
        self.generation = generated.generation
        self.register_outputs({"secret_name": self.secret_name, "generation": self.generation})
