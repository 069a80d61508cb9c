"""The whole system in reading order: a namespace, two buckets, Milvus on one of them once the store has passed, the model services."""

from dataclasses import replace

from components.trust import Trust, TrustArgs
from stacks.endpoints import Endpoints
from stacks.images import lock
from stacks.settings import Settings
from stacks.wiring import milvus, models, monitoring, object_store, suite_pods, tenancy

_OF_RERANKER = ("url", "model", "secret_name", "ca_config_map")


def build(settings: Settings) -> Endpoints:
    """Declare everything that the settings ask for."""
    tenancy.refuse_outside(settings)
    frame = tenancy.declare(settings)
    trust = Trust("object-store-ca", TrustArgs(namespace=frame.namespace, ca_pem=settings.object_store.ca_pem))
    milvus_store = object_store.for_milvus(settings, frame)
    documents_store = object_store.for_documents(settings, frame, milvus_store)
    passed = suite_pods.preflight(settings, frame, milvus_store, documents_store, trust)
    root = milvus.root(settings, frame)
    database = milvus.declare(settings, frame, milvus_store, trust, user=root, after=passed)
    users = milvus.users(settings, frame, root, database)
    milvus_ca = milvus.authority(settings, frame)
    milvus.disruption(settings, frame)
    monitoring.declare(settings, frame)
    embedding = models.embedding(settings, frame, trust)
    llm = models.llm(settings, frame, trust)
    reranker = models.reranker(settings, frame, trust)
    load_pods = suite_pods.load_generators(settings, frame, trust, milvus_ca=milvus_ca, login=milvus.login_secret(users, "search"))
    chart = milvus.chart(settings)
    outputs = Endpoints(
        namespace=frame.namespace,
        milvus_uri=database.uri,
        milvus_database=database.database,
        milvus_ca_config_map=milvus_ca,
        milvus_proxies=settings.milvus.proxies,
        milvus_index=settings.milvus.index.index.manifest(),
        milvus_root_secret_name=root.secret_name if root is not None else "",
        milvus_search_secret_name=milvus.login_secret(users, "search"),
        milvus_ingest_secret_name=milvus.login_secret(users, "ingest"),
        milvus_admin_secret_name=milvus.login_secret(users, "admin"),
        milvus_tenants=list(settings.access.tenants),
        milvus_bucket=milvus_store.bucket,
        milvus_root_path=settings.milvus.root_path,
        milvus_wal=settings.milvus.planned_log,
        milvus_secret_name=milvus_store.secret_name,
        documents_bucket=documents_store.bucket,
        documents_secret_name=documents_store.secret_name,
        object_store_endpoint=settings.object_store.endpoint,
        object_store_region=settings.object_store.region,
        object_store_ca_config_map=trust.config_map_name,
        embedding_url=embedding.url,
        embedding_model=embedding.model,
        embedding_dimension=embedding.dimension,
        embedding_query={"prefix": settings.embedding.query_prefix, "options": settings.embedding.query_options},
        embedding_passage={"prefix": settings.embedding.passage_prefix, "options": settings.embedding.passage_options},
        llm_url=llm.url,
        llm_model=llm.model,
        llm_context_tokens=llm.context_tokens,
        llm_answer_tokens=settings.llm.answer_tokens,
        llm_temperature=settings.llm.temperature,
        embedding_secret_name=embedding.secret_name,
        embedding_ca_config_map=embedding.ca_config_map,
        llm_secret_name=llm.secret_name,
        llm_ca_config_map=llm.ca_config_map,
        reranker={name: getattr(reranker, name) for name in _OF_RERANKER} if reranker is not None else None,
        load_pod_template=load_pods,
        images=lock.named(settings),
        chart={"name": chart.name, "version": chart.version},
    )
    services = {"embedding": embedding, "llm": llm, "reranker": reranker}
    asked = suite_pods.ask(settings, frame, outputs, documents=documents_store, trust=trust, services=services)
    return replace(outputs, ask_url=asked.url, ask_secret_name=asked.secret_name) if asked is not None else outputs
