"""The embedding service: text into vectors, by one model behind the OpenAI API; who serves it is an engine in `components.engines`."""

from dataclasses import dataclass

import pulumi

from components import model_endpoint
from components.model_endpoint import External
from components.model_server import ModelServerArgs


@dataclass(frozen=True, kw_only=True)
class EmbeddingArgs:
    """Which model, and who serves it."""

    served: ModelServerArgs | External
    model: str
    """Name that requests carry."""
    dimension: int
    """Length of a vector; a collection can only be searched with the dimension it was made with."""


class Embedding(pulumi.ComponentResource):
    """The embedding service: turns text into vectors."""

    url: pulumi.Output[str]
    """Base of its OpenAI API."""
    model: pulumi.Output[str]
    """Name that requests carry."""
    dimension: pulumi.Output[int]
    """Length of a vector."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the service under `api_key`, "" for none."""
    ca_config_map: pulumi.Output[str]
    """ConfigMap with its private CA under `ca.crt`, "" for none."""

    def __init__(self, name: str, args: EmbeddingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Embedding", name, None, opts)
        endpoint = model_endpoint.declare(name, args.served, self)
        self.url, self.secret_name, self.ca_config_map = endpoint.url, endpoint.secret_name, endpoint.ca_config_map
        self.model = pulumi.Output.from_input(args.model)
        self.dimension = pulumi.Output.from_input(args.dimension)
        self.register_outputs({"url": self.url, "model": self.model, "dimension": self.dimension})
