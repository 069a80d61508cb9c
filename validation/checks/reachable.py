"""Connects to every part of the target, and refuses one that does not answer or is not what the stack declared."""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from validation import cluster, models, network
from validation.bench import Bench, Services
from validation.clients import milvus
from validation.clients.documents import DocumentStore
from validation.clients.milvus_login import Login, Logins
from validation.clients.milvus_tls import Tls
from validation.target import Target

QUESTION = "Does every part of the target answer, and is it what the stack declared?"
_CLIENTS = ("pymilvus", "numpy", "boto3", "httpx", "hdrhistogram")


def run(bench: Bench) -> Services:
    """Connect to everything, or raise what is not there."""
    target, record = bench.target, bench.record
    with record.check("reachable", QUESTION) as check:
        kubernetes = cluster.connect()
        bench.closing.callback(kubernetes.close)
        urls = {name: getattr(target, name) for name in ("milvus_uri", "embedding_url", "llm_url", "object_store_endpoint")}
        urls |= {"reranker_url": target.reranker.url} if target.reranker is not None else {}
        addresses = {name: kubernetes.address(url) for name, url in urls.items()}
        check.facts["addresses"] = addresses
        network.bypass_proxies(addresses.values())
        record.images = [asdict(image) for image in kubernetes.running_images(target.namespace)]
        record.versions = {name: version(name) for name in _CLIENTS}
        documents = documents_store(target, kubernetes, bench.closing, record.secrets)
        tls = milvus_tls_of(target, addresses["milvus_uri"], kubernetes, bench.closing)
        store = milvus.connect(addresses["milvus_uri"], target.milvus_database, _logins(bench, kubernetes), tls)
        bench.closing.callback(store.close)
        record.versions["milvus server"] = store.server_version()
        served = models.connect(bench, kubernetes)
        documents.check()
        models.check(bench, kubernetes, served)
    return Services(milvus=store, documents=documents, embedding=served.embedding, llm=served.llm, reranker=served.reranker)


def _logins(bench: Bench, kubernetes: cluster.Cluster) -> Logins:
    """Read each Secret when it is needed; no user at all where the target names none."""
    target = bench.target

    def ask(name: str) -> Login:
        login = kubernetes.login(target.namespace, name)
        bench.record.secrets.append(login.password)
        return login

    if not target.milvus_search_secret_name:
        return Logins()
    return Logins(
        search=partial(ask, target.milvus_search_secret_name),
        ingest=partial(ask, target.milvus_ingest_secret_name),
        admin=partial(ask, target.milvus_admin_secret_name),
    )


def milvus_tls_of(target: Target, address: str, kubernetes: cluster.Cluster, closing: ExitStack) -> Tls:
    """Return whom to trust: the private authority that the target names, and the name of the Service where its ClusterIP is asked."""
    name = target.milvus_ca_config_map
    ca_file = _temporary(closing, kubernetes.certificate_authority(target.namespace, name)) if name else None
    host = urlsplit(target.milvus_uri).hostname or ""
    return Tls(
        ca_file=ca_file,
        server_name=host if host != urlsplit(address).hostname else "",
        origin=f"ConfigMap {name} in {target.namespace}" if name else "",
    )


def documents_store(target: Target, kubernetes: cluster.Cluster, closing: ExitStack, secrets: list[str]) -> DocumentStore:
    """Return the documents bucket, opened with its own credential; what must never be printed goes to `secrets`."""
    credential = kubernetes.credential(target.namespace, target.documents_secret_name)
    secrets += [credential.access_key, credential.secret_key]
    documents = DocumentStore(
        endpoint=kubernetes.address(target.object_store_endpoint),
        region=target.object_store_region,
        bucket=target.documents_bucket,
        credential=credential,
        ca_file=store_ca_file(target, kubernetes, closing),
    )
    closing.callback(documents.close)
    return documents


def store_ca_file(target: Target, kubernetes: cluster.Cluster, closing: ExitStack) -> Path | None:
    """Return the private authority of the store as a file, None where the public ones do."""
    name = target.object_store_ca_config_map
    return _temporary(closing, kubernetes.certificate_authority(target.namespace, name)) if name else None


def _temporary(closing: ExitStack, text: str) -> Path:
    """Write `text` to a file that goes when the run ends; boto3 takes a CA only as a path."""
    path = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="gate-"))) / "ca.crt"
    path.write_text(text, encoding="utf-8")
    return path
