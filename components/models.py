"""The model services: embedding (text into vectors), LLM (answers from the sources it is given) and reranker (orders what a search found).

Each is one model behind the OpenAI API, which the stack runs with an engine of `components.engines`, or one that somebody else runs. Both
come to the same outputs. Of an external one the stack makes nothing but, where it has a private certificate authority, the ConfigMap that
carries it; its key is in a Secret that the operator made.
"""

from dataclasses import dataclass

import pulumi

from components.component import Component, Trust
from components.model_server import ModelServer, ModelServerArgs


@dataclass(frozen=True, kw_only=True)
class External:
    """A service that is there already."""

    namespace: pulumi.Input[str]  # namespace of the Secret, and of the ConfigMap with the CA
    url: str
    secret_name: str  # secret with its key under `api_key`, "" for a service without one
    ca_pem: str  # PEM text of its private CA, "" for none


@dataclass(frozen=True, kw_only=True)
class ModelArgs:
    """Which model, and who serves it."""

    served: ModelServerArgs | External
    model: str


class ModelService(Component):
    """A model and where it answers."""

    url: pulumi.Output[str]  # base of its OpenAI API; for a reranker the address below which `rerank` of text-embeddings-inference answers
    model: pulumi.Output[str]  # name that requests carry
    secret_name: pulumi.Output[str]  # secret with the key of the service under `api_key`, "" for none
    ca_config_map: pulumi.Output[str]  # ConfigMap with its private CA under `ca.crt`, "" for none

    def __init__(self, name: str, args: ModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.model = pulumi.Output.from_input(args.model)
        served = args.served
        if isinstance(served, ModelServerArgs):
            server = ModelServer(f"{name}-server", name, served, self._own)
            self.url, self.secret_name, self.ca_config_map = server.url, server.secret_name, pulumi.Output.from_input("")
        else:
            trust = Trust(f"{name}-trust", namespace=served.namespace, ca_pem=served.ca_pem, opts=self._own)
            self.url, self.secret_name = pulumi.Output.from_input(served.url), pulumi.Output.from_input(served.secret_name)
            self.ca_config_map = trust.config_map_name
        self.register_outputs({"url": self.url, "model": self.model})


class Embedding(ModelService):
    """The embedding service: turns text into vectors."""


class Llm(ModelService):
    """The LLM service: answers questions from the sources it is given."""


class Reranker(ModelService):
    """The reranker: orders what a search found by how well it answers the question."""
