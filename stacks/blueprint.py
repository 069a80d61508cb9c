"""The whole system in reading order: a namespace, two buckets, Milvus on one of them, two model services."""

import hashlib

import pulumi

from components.embedding import Embedding, EmbeddingArgs
from components.llm import Llm, LlmArgs
from components.milvus import Chart, Milvus, MilvusArgs
from components.milvus_values import MilvusShape, MilvusStore
from components.object_store import ObjectStore, ObjectStoreArgs
from components.quantities import Resources
from components.s3 import policy
from components.s3.store import Store
from components.tenancy import Tenancy, TenancyArgs
from components.trust import Trust, TrustArgs
from stacks.endpoints import Endpoints
from stacks.settings import PROJECT, Settings


def build(settings: Settings) -> Endpoints:
    """Declare everything that the settings ask for."""
    tenancy = _tenancy(settings)
    trust = Trust("object-store-ca", TrustArgs(namespace=tenancy.namespace, ca_pem=settings.object_store.ca_pem))
    milvus_store = _object_store("milvus-store", settings, tenancy, settings.milvus_bucket, policy.MILVUS, versioned=False)
    documents_store = _object_store("documents-store", settings, tenancy, settings.documents_bucket, policy.DOCUMENTS, versioned=True)
    chart = _chart(settings)
    milvus = Milvus(
        "milvus",
        MilvusArgs(namespace=tenancy.namespace, chart=chart, shape=_shape(settings), store=_milvus_data(settings, milvus_store, trust)),
    )
    embedding = _embedding(settings, tenancy)
    llm = _llm(settings, tenancy)
    return Endpoints(
        namespace=tenancy.namespace,
        milvus_uri=milvus.uri,
        milvus_database=milvus.database,
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


def _tenancy(settings: Settings) -> Tenancy:
    """Pod security: the chart's own etcd pods cannot be made to fit `restricted`, everything else does."""
    quota = settings.quota
    return Tenancy(
        "tenancy",
        TenancyArgs(
            namespace=settings.namespace,
            pod_security="restricted" if settings.milvus.etcd == "embedded" else "baseline",
            store_endpoint=settings.object_store.endpoint,
            quota=Resources(cpu_cores=quota.cpu_cores, memory_gib=quota.memory_gib) if quota is not None else None,
        ),
    )


def _object_store(
    name: str, settings: Settings, tenancy: Tenancy, bucket: str, permissions: policy.Permissions, *, versioned: bool
) -> ObjectStore:
    """Mark bucket and user with the namespace's uid: a stack of the same name elsewhere, or after a lost cluster, is another owner."""
    chosen = settings.object_store
    store = Store(
        endpoint=chosen.endpoint,
        iam_endpoint=chosen.iam_endpoint,
        region=chosen.region,
        ca_pem=chosen.ca_pem,
        admin_profile=chosen.admin_profile,
    )
    args = ObjectStoreArgs(
        store=store,
        bucket=bucket,
        versioned=versioned,
        permissions=permissions,
        owner=pulumi.Output.format("{0}/{1}/{2}", PROJECT, pulumi.get_stack(), tenancy.uid),
        namespace=tenancy.namespace,
        retain=chosen.on_destroy == "retain",
    )
    return ObjectStore(name, args)


def _chart(settings: Settings) -> Chart:
    chosen = settings.milvus
    return Chart(name=chosen.chart, version=chosen.resolved_chart_version(), repository=chosen.resolved_chart_repository())


def _shape(settings: Settings) -> MilvusShape:
    chosen = settings.milvus
    return MilvusShape(
        image=settings.images.milvus,
        mode=chosen.mode,
        wal=chosen.wal,
        etcd=chosen.etcd,
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        storage_gib=chosen.storage_gib,
        storage_class=chosen.storage_class,
    )


def _milvus_data(settings: Settings, store: ObjectStore, trust: Trust) -> MilvusStore:
    ca_pem = settings.object_store.ca_pem
    return MilvusStore(
        endpoint=settings.object_store.endpoint,
        region=settings.object_store.region,
        bucket=store.bucket,
        root_path=settings.milvus.root_path,
        secret_name=store.secret_name,
        credential_generation=store.credential_generation,
        ca_config_map=trust.config_map_name,
        ca_sha256=hashlib.sha256(ca_pem.encode()).hexdigest() if ca_pem else "",
    )


def _embedding(settings: Settings, tenancy: Tenancy) -> Embedding:
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


def _llm(settings: Settings, tenancy: Tenancy) -> Llm:
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
