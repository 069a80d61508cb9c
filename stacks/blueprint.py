"""The whole system in reading order: a namespace, two buckets, Milvus on one of them once the store has passed, the model services.

What it returns is what the stack exports (outputs.yaml.j2).
"""

from functools import partial
from pathlib import Path
from typing import Any

import pulumi

from components.component import Trust
from components.templates import rendered
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
    words: dict[str, Any] = {"embedding": embedding, "llm": llm, "reranker": reranker, "trust": trust, "documents": documents}
    words |= {"database": database, "root": root, "milvus_ca": milvus_ca, "milvus_store": milvus_store, "namespace": frame.namespace}
    words |= {"login": partial(milvus.login_secret, users), "chart": milvus.chart(settings), "images": lock.named(settings)}
    login = milvus.login_secret(users, "search")
    words["load_pod_template"] = suite_pods.load_generators(settings, frame, trust, milvus_ca=milvus_ca, login=login)
    declared = rendered(Path(__file__).with_name("outputs.yaml.j2"), settings=settings, **words)[0]
    endpoints = {"llm_temperature": None, "reranker": None, **declared}
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
