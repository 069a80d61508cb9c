"""What a stack exports: the only thing that the gate, or any other user of the stack, knows about it. No secret is among it."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.engines.engine import Options


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Exported under the names of the fields."""

    namespace: pulumi.Output[str]
    """Kubernetes namespace of everything."""
    milvus_uri: pulumi.Output[str]
    """http(s)://host:port of Milvus inside the cluster."""
    milvus_database: pulumi.Output[str]
    """Milvus database to use."""
    milvus_ca_config_map: pulumi.Output[str] | str
    """ConfigMap with the private CA of Milvus's certificate under `ca.crt`, "" when the public ones do, or without TLS."""
    milvus_proxies: int
    """Most proxies that Milvus has: the gate opens as many connections, since each stays with one of them."""
    milvus_index: dict[str, Any]
    """Index of the vectors in Milvus's own words: `index_type`, `metric_type`, `params`, `search_params`."""
    milvus_root_secret_name: pulumi.Output[str] | str
    """Secret with `username` and `password` of Milvus's first user, "" without authentication."""
    milvus_search_secret_name: pulumi.Output[str] | str
    """Secret with `username` and `password` of the user that searches, "" without authentication."""
    milvus_ingest_secret_name: pulumi.Output[str] | str
    """The same of the user that ingests."""
    milvus_admin_secret_name: pulumi.Output[str] | str
    """The same of the user that drops collections."""
    milvus_tenants: list[str]
    """Databases besides that one; the Secrets of their users are called milvus-TENANT-search, -ingest and -admin."""
    milvus_bucket: pulumi.Output[str]
    """Bucket in which Milvus, and nobody else, keeps its data."""
    milvus_root_path: str
    """Prefix of Milvus's objects in it."""
    milvus_wal: str
    """Milvus's write-ahead log: the preflight looks whether the store carries it."""
    milvus_secret_name: pulumi.Output[str]
    """Secret with `access_key` and `secret_key` for that bucket."""
    documents_bucket: pulumi.Output[str]
    """Versioned bucket for the original documents."""
    documents_secret_name: pulumi.Output[str]
    """Secret with `access_key` and `secret_key` for that bucket."""
    object_store_endpoint: str
    """https://host[:port] of the S3 API."""
    object_store_region: str
    """Signing region of the S3 API."""
    object_store_ca_config_map: pulumi.Output[str]
    """ConfigMap with the private CA of the store under `ca.crt`, "" when the public ones do."""
    embedding_url: pulumi.Output[str]
    """Base of the embedding service's OpenAI API inside the cluster."""
    embedding_model: pulumi.Output[str]
    """Model name that requests to it carry."""
    embedding_dimension: pulumi.Output[int]
    """Length of its vectors."""
    embedding_query: dict[str, str | Options]
    """`prefix` before the text of a query, and `options`: further fields of a request for one."""
    embedding_passage: dict[str, str | Options]
    """The same of a passage."""
    llm_url: pulumi.Output[str]
    """Base of the LLM service's OpenAI API inside the cluster."""
    llm_model: pulumi.Output[str]
    """Model name that requests to it carry."""
    llm_context_tokens: pulumi.Output[int]
    """Longest prompt, sources included, that it reads."""
    llm_answer_tokens: int
    """Longest answer: `max_tokens` of a request."""
    llm_temperature: float | None
    """Temperature of a request; none for a model that refuses it."""
    embedding_secret_name: pulumi.Output[str]
    """Secret with the key of the embedding service under `api_key`, "" for none."""
    embedding_ca_config_map: pulumi.Output[str]
    """ConfigMap with the private CA of the embedding service under `ca.crt`, "" for none."""
    llm_secret_name: pulumi.Output[str]
    """Secret with the key of the LLM service under `api_key`, "" for none."""
    llm_ca_config_map: pulumi.Output[str]
    """ConfigMap with the private CA of the LLM service under `ca.crt`, "" for none."""
    reranker: dict[str, pulumi.Output[str]] | None
    """`url`, `model`, `secret_name` and `ca_config_map` of the reranker; none where the stack has none."""
    load_pod_template: pulumi.Output[str] | str
    """PodTemplate of the gate's load generators, "" for none."""
    ask_url: pulumi.Output[str] | str = ""
    """Address of the page that answers questions, inside the cluster, "" for none; the API is below /v1."""
    ask_secret_name: pulumi.Output[str] | str = ""
    """Secret with its key for the stack's own database under `api_key`, "" for none; a tenant's is called ask-TENANT-api-key."""
    images: dict[str, str]
    """Image references as declared, by part; what really runs is in the pods' imageID."""
    chart: dict[str, str]
    """Name and version of the chart that installed Milvus."""
