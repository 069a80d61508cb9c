"""The embedding service: text into vectors, by one model behind the OpenAI API.

Engine `lab` is the lab's honest stand-in. Another engine is another entry of ENGINES, with the same API.
"""

from dataclasses import dataclass

import pulumi

from components.model_server import Engine, ModelServer, ModelServerArgs
from components.quantities import Resources

ENGINES = {"lab": Engine(arguments=("embedder",), port=8080, health_path="/health", api_path="/v1")}


@dataclass(frozen=True, kw_only=True)
class EmbeddingArgs:
    """Which model, on what."""

    namespace: pulumi.Input[str]
    image: str
    engine: str
    """Key of ENGINES."""
    model: str
    """Name that requests carry."""
    dimension: int
    """Length of a vector; a collection can only be searched with the dimension it was made with."""
    resources: Resources
    replicas: int


class Embedding(pulumi.ComponentResource):
    """The embedding service: turns text into vectors."""

    url: pulumi.Output[str]
    """Base of the OpenAI API inside the cluster."""
    model: pulumi.Output[str]
    dimension: pulumi.Output[int]

    def __init__(self, name: str, args: EmbeddingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("milvus-x10000:index:Embedding", name, None, opts)
        served = ModelServerArgs(
            namespace=args.namespace, image=args.image, engine=ENGINES[args.engine], resources=args.resources, replicas=args.replicas
        )
        self.url = ModelServer(f"{name}-server", name, served, pulumi.ResourceOptions(parent=self)).url
        self.model = pulumi.Output.from_input(args.model)
        self.dimension = pulumi.Output.from_input(args.dimension)
        self.register_outputs({"url": self.url, "model": self.model, "dimension": self.dimension})
