"""The whole system in reading order: a namespace, two buckets, Milvus on one of them once the store has passed, two model services."""

from components.trust import Trust, TrustArgs
from stacks.endpoints import Endpoints
from stacks.parts import milvus, models, object_store, preflight, tenancy
from stacks.settings import Settings


def build(settings: Settings) -> Endpoints:
    """Declare everything that the settings ask for."""
    frame = tenancy.declare(settings)
    trust = Trust("object-store-ca", TrustArgs(namespace=frame.namespace, ca_pem=settings.object_store.ca_pem))
    milvus_store = object_store.for_milvus(settings, frame)
    documents_store = object_store.for_documents(settings, frame)
    passed = preflight.declare(settings, frame, milvus_store, trust)
    database = milvus.declare(settings, frame, milvus_store, trust, passed)
    embedding = models.embedding(settings, frame)
    llm = models.llm(settings, frame)
    chart = milvus.chart(settings)
    return Endpoints(
        namespace=frame.namespace,
        milvus_uri=database.uri,
        milvus_database=database.database,
        milvus_bucket=milvus_store.bucket,
        milvus_secret_name=milvus_store.secret_name,
        documents_bucket=documents_store.bucket,
        documents_secret_name=documents_store.secret_name,
        object_store_endpoint=settings.object_store.endpoint,
        object_store_region=settings.object_store.region,
        object_store_ca_config_map=trust.config_map_name,
        embedding_url=embedding.url,
        embedding_model=embedding.model,
        embedding_dimension=embedding.dimension,
        llm_url=llm.url,
        llm_model=llm.model,
        llm_context_tokens=llm.context_tokens,
        images={"milvus": settings.images.milvus, "embedding": settings.images.embedding, "llm": settings.images.llm},
        chart={"name": chart.name, "version": chart.version},
    )
