"""The whole system in reading order: a namespace, two buckets, Milvus on one of them once the store has passed, the model services.

What it returns is what the stack exports, by name: all that the gate, or any other user of the stack, knows about it, and no secret.
"""

from typing import Any

import pulumi

from components.component import Trust
from components.milvus import Milvus
from components.milvus_access.root import MilvusRoot
from components.milvus_access.users import MilvusUsers
from components.models import Embedding, Llm, Reranker
from stacks import promotion
from stacks.images import lock
from stacks.problems import text_of
from stacks.settings import Settings
from stacks.wiring import milvus, models, monitoring, object_store, suite_pods, tenancy


def build(settings: Settings) -> dict[str, Any]:
    """Declare everything that the settings ask for, and return the endpoints."""
    tenancy.refuse_outside(settings)
    frame = tenancy.declare(settings)
    trust = Trust("object-store-ca", namespace=frame.namespace, ca_pem=settings.object_store.ca_pem)
    milvus_store, documents = object_store.declare(settings, frame)
    passed = suite_pods.preflight(settings, frame, milvus_store, documents, trust)
    root = milvus.root(settings, frame)
    database = milvus.declare(settings, frame, milvus_store, trust, user=root, after=passed)
    users = milvus.users(settings, frame, root, database)
    milvus_ca = milvus.authority(settings, frame)
    milvus.disruption(settings, frame)
    monitoring.declare(settings, frame)
    embedding, llm, reranker = models.declare(settings, frame, trust)
    login, chart = milvus.login_secret(users, "search"), milvus.chart(settings)
    endpoints = {
        "namespace": frame.namespace,  # Kubernetes namespace of everything
        **_of_milvus(settings, database, root, users),
        "milvus_ca_config_map": milvus_ca,  # private CA of its certificate under `ca.crt`, "" when the public ones do, or without TLS
        "milvus_bucket": milvus_store.bucket,  # in which Milvus, and nobody else, keeps its data
        "milvus_secret_name": milvus_store.secret_name,  # Secret with `access_key` and `secret_key` for that bucket
        "documents_bucket": documents.bucket,  # versioned, for the original documents
        "documents_secret_name": documents.secret_name,  # Secret with `access_key` and `secret_key` for that bucket
        "object_store_endpoint": settings.object_store.endpoint,  # https://host[:port] of the S3 API
        "object_store_region": settings.object_store.region,  # that requests are signed for
        "object_store_ca_config_map": trust.config_map_name,  # private CA of the store under `ca.crt`, "" when the public ones do
        **_of_models(settings, embedding, llm, reranker),
        "load_pod_template": suite_pods.load_generators(settings, frame, trust, milvus_ca=milvus_ca, login=login),  # "" for none
        "images": lock.named(settings),  # references as declared, by part; what really runs is in the pods' imageID
        "chart": {"name": chart.name, "version": chart.version},  # that installed Milvus
    }
    services = {"embedding": embedding, "llm": llm, "reranker": reranker}
    suite_pods.backup(settings, frame, endpoints)
    ask = suite_pods.ask(settings, frame, endpoints, documents=documents, trust=trust, services=services)
    # the page that answers questions, inside the cluster, whose API is below /v1, and the Secret with its key for the stack's own database
    # under `api_key`; a tenant's is called ask-TENANT-api-key
    of_ask = {"ask_url": ask.url, "ask_secret_name": ask.secret_name} if ask is not None else {"ask_url": "", "ask_secret_name": ""}
    outputs = {**endpoints, **of_ask}
    suite_pods.gate(settings, frame, outputs, documents=documents, trust=trust, services=services)
    let_in, _ = promotion.judge(settings, pulumi.get_stack())
    if let_in is not None and let_in["override"]:
        pulumi.log.warn(text_of("promotion_override", **let_in))
    return {**outputs, "promotion": let_in}  # by which environment's gate, with its report's sha256, or why; None where nothing has to pass


def _of_milvus(settings: Settings, database: Milvus, root: MilvusRoot | None, users: MilvusUsers | None) -> dict[str, Any]:
    """Secrets have `username` and `password`; without authentication their names are ""."""
    return {
        "milvus_uri": database.uri,  # http(s)://host:port of Milvus inside the cluster
        "milvus_database": database.database,
        "milvus_proxies": settings.milvus.proxies,  # at most: the gate opens as many connections, since each stays with one of them
        "milvus_index": settings.milvus.index.manifest(),  # `index_type`, `metric_type`, `params`, `search_params`
        "milvus_root_secret_name": root.secret_name if root is not None else "",  # of the first user
        "milvus_search_secret_name": milvus.login_secret(users, "search"),
        "milvus_ingest_secret_name": milvus.login_secret(users, "ingest"),
        "milvus_admin_secret_name": milvus.login_secret(users, "admin"),  # of the user that drops collections
        "milvus_tenants": list(settings.access.tenants),  # further databases; Secrets: milvus-TENANT-search, -ingest and -admin
        "milvus_accepted_bypass": settings.milvus.accept_authentication_bypass or "",  # why known ways around authentication are accepted
        "milvus_root_path": settings.milvus.root_path,  # prefix of its objects in its bucket
        "milvus_wal": settings.milvus.planned_log,  # write-ahead log: the preflight looks whether the store carries it
    }


def _of_models(settings: Settings, embedding: Embedding, llm: Llm, reranker: Reranker | None) -> dict[str, Any]:
    """URLs are the base of an OpenAI API inside the cluster; Secrets have `api_key`, ConfigMaps `ca.crt`, and are "" for none."""
    chosen, of_reranker = settings.embedding, ("url", "model", "secret_name", "ca_config_map")
    return {
        "embedding_url": embedding.url,
        "embedding_model": embedding.model,  # that requests carry
        "embedding_dimension": chosen.dimension,  # length of a vector; a collection can only be searched with that which it was made with
        "embedding_query": {"prefix": chosen.query_prefix, "options": chosen.query_options},  # text before it, fields of the request
        "embedding_passage": {"prefix": chosen.passage_prefix, "options": chosen.passage_options},
        "embedding_secret_name": embedding.secret_name,
        "embedding_ca_config_map": embedding.ca_config_map,
        "llm_url": llm.url,
        "llm_model": llm.model,
        "llm_context_tokens": settings.llm.context_tokens,  # longest prompt, sources included, that it reads
        "llm_answer_tokens": settings.llm.answer_tokens,  # longest answer: `max_tokens` of a request
        "llm_temperature": settings.llm.temperature,  # of a request; none for a model that refuses it
        "llm_secret_name": llm.secret_name,
        "llm_ca_config_map": llm.ca_config_map,
        "reranker": {name: getattr(reranker, name) for name in of_reranker} if reranker is not None else None,
    }
