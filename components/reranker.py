"""The reranker: orders what a search found by how well it answers the question, behind the `/rerank` of text-embeddings-inference."""

from dataclasses import dataclass

import pulumi

from components import model_endpoint
from components.model_endpoint import External
from components.model_server import ModelServerArgs


@dataclass(frozen=True, kw_only=True)
class RerankerArgs:
    """Which model, and who serves it."""

    served: ModelServerArgs | External
    model: str
    """Name that requests carry."""


class Reranker(pulumi.ComponentResource):
    """The reranker: orders what a search found."""

    url: pulumi.Output[str]
    """Address below which `rerank` answers."""
    model: pulumi.Output[str]
    """Name that requests carry."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the service under `api_key`, "" for none."""
    ca_config_map: pulumi.Output[str]
    """ConfigMap with its private CA under `ca.crt`, "" for none."""

    def __init__(self, name: str, args: RerankerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Reranker", name, None, opts)
        endpoint = model_endpoint.declare(name, args.served, self)
        self.url, self.secret_name, self.ca_config_map = endpoint.url, endpoint.secret_name, endpoint.ca_config_map
        self.model = pulumi.Output.from_input(args.model)
        self.register_outputs({"url": self.url, "model": self.model})
