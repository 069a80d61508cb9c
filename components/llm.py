"""The LLM service: answers from the sources it is given, by one model behind the OpenAI API.

Engine `lab` is the lab's honest stand-in. Another engine is another entry of ENGINES, with the same API.
"""

from dataclasses import dataclass

import pulumi

from components.model_server import Engine, ModelServer, ModelServerArgs
from components.quantities import Resources

ENGINES = {"lab": Engine(arguments=("reader",), port=8080, health_path="/health", api_path="/v1")}


@dataclass(frozen=True, kw_only=True)
class LlmArgs:
    """Which model, on what."""

    namespace: pulumi.Input[str]
    image: str
    engine: str
    """Key of ENGINES."""
    model: str
    """Name that requests carry."""
    context_tokens: int
    """Longest prompt, sources included, that the model reads."""
    resources: Resources
    replicas: int


class Llm(pulumi.ComponentResource):
    """The LLM service: answers questions from the sources it is given."""

    url: pulumi.Output[str]
    """Base of the OpenAI API inside the cluster."""
    model: pulumi.Output[str]
    context_tokens: pulumi.Output[int]

    def __init__(self, name: str, args: LlmArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Llm", name, None, opts)
        served = ModelServerArgs(
            namespace=args.namespace, image=args.image, engine=ENGINES[args.engine], resources=args.resources, replicas=args.replicas
        )
        self.url = ModelServer(f"{name}-server", name, served, pulumi.ResourceOptions(parent=self)).url
        self.model = pulumi.Output.from_input(args.model)
        self.context_tokens = pulumi.Output.from_input(args.context_tokens)
        self.register_outputs({"url": self.url, "model": self.model, "context_tokens": self.context_tokens})
