"""The model services as the settings ask for them."""

from components.embedding import Embedding, EmbeddingArgs
from components.llm import Llm, LlmArgs
from components.quantities import Resources
from components.tenancy import Tenancy
from stacks.settings import Settings


def embedding(settings: Settings, tenancy: Tenancy) -> Embedding:
    """The embedding service."""
    chosen = settings.embedding
    args = EmbeddingArgs(
        namespace=tenancy.namespace,
        image=settings.images.embedding,
        engine=chosen.engine,
        model=chosen.model,
        dimension=chosen.dimension,
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        replicas=chosen.replicas,
    )
    return Embedding("embedding", args)


def llm(settings: Settings, tenancy: Tenancy) -> Llm:
    """The LLM service."""
    chosen = settings.llm
    args = LlmArgs(
        namespace=tenancy.namespace,
        image=settings.images.llm,
        engine=chosen.engine,
        model=chosen.model,
        context_tokens=chosen.context_tokens,
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        replicas=chosen.replicas,
    )
    return Llm("llm", args)
