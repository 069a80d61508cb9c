"""The LLM service: answers from the sources it is given, by one model behind the OpenAI API; who serves it is an engine."""

from dataclasses import dataclass

import pulumi

from components import model_endpoint
from components.model_endpoint import External
from components.model_server import ModelServerArgs


@dataclass(frozen=True, kw_only=True)
class LlmArgs:
    """Which model, and who serves it."""

    served: ModelServerArgs | External
    model: str
    """Name that requests carry."""
    context_tokens: int
    """Longest prompt, sources included, and answer that the model reads."""


class Llm(pulumi.ComponentResource):
    """The LLM service: answers questions from the sources it is given."""

    url: pulumi.Output[str]
    """Base of its OpenAI API."""
    model: pulumi.Output[str]
    """Name that requests carry."""
    context_tokens: pulumi.Output[int]
    """Longest prompt and answer together."""
    secret_name: pulumi.Output[str]
    """Secret with the key of the service under `api_key`, "" for none."""
    ca_config_map: pulumi.Output[str]
    """ConfigMap with its private CA under `ca.crt`, "" for none."""

    def __init__(self, name: str, args: LlmArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Llm", name, None, opts)
        endpoint = model_endpoint.declare(name, args.served, self)
        self.url, self.secret_name, self.ca_config_map = endpoint.url, endpoint.secret_name, endpoint.ca_config_map
        self.model = pulumi.Output.from_input(args.model)
        self.context_tokens = pulumi.Output.from_input(args.context_tokens)
        self.register_outputs({"url": self.url, "model": self.model, "context_tokens": self.context_tokens})
