"""Where a model service answers: one that the stack runs, or one that somebody else does.

Both come to the same outputs, so that whoever uses them needs not know which it is. Of an external one the stack makes nothing but, where
it has a private certificate authority, the ConfigMap that carries it; its key is in a Secret that the operator made.
"""

from dataclasses import dataclass

import pulumi

from components.model_server import ModelServer, ModelServerArgs
from components.trust import Trust, TrustArgs


@dataclass(frozen=True, kw_only=True)
class External:
    """A service that is there already."""

    namespace: pulumi.Input[str]
    """Namespace of the Secret, and of the ConfigMap with the CA."""
    url: str
    """Base of its OpenAI API."""
    secret_name: str
    """Secret with its key under `api_key`, "" for a service without one."""
    ca_pem: str
    """PEM text of its private CA, "" for none."""


@dataclass(frozen=True, kw_only=True)
class ModelEndpoint:
    """What a client needs."""

    url: pulumi.Output[str]
    """Base of the OpenAI API."""
    secret_name: pulumi.Output[str]
    """Secret with the key under `api_key`, "" for none."""
    ca_config_map: pulumi.Output[str]
    """ConfigMap with the private CA under `ca.crt`, "" for none."""


def declare(name: str, served: ModelServerArgs | External, parent: pulumi.Resource) -> ModelEndpoint:
    """Run the service under `name`, or name the one that is there."""
    opts = pulumi.ResourceOptions(parent=parent)
    if isinstance(served, ModelServerArgs):
        server = ModelServer(f"{name}-server", name, served, opts)
        return ModelEndpoint(url=server.url, secret_name=server.secret_name, ca_config_map=pulumi.Output.from_input(""))
    trust = Trust(f"{name}-trust", TrustArgs(namespace=served.namespace, ca_pem=served.ca_pem), opts)
    return ModelEndpoint(
        url=pulumi.Output.from_input(served.url),
        secret_name=pulumi.Output.from_input(served.secret_name),
        ca_config_map=trust.config_map_name,
    )
