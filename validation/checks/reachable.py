"""Connects to every part of the target, and refuses one that does not answer or is not what the stack declared."""

from dataclasses import asdict
from importlib.metadata import version

from validation.checks.bench import Bench, Services
from validation.clients import kube, network
from validation.clients.connect import Connector

QUESTION = "Does every part of the target answer, and is it what the stack declared?"
_CLIENTS = ("pymilvus", "numpy", "boto3", "httpx", "hdrhistogram")


def run(bench: Bench) -> Services:
    """Connect to everything, or raise what is not there."""
    target, record = bench.target, bench.record
    with record.check("reachable", QUESTION) as check:
        kubernetes = kube.connect()
        bench.closing.callback(kubernetes.close)
        urls = {name: getattr(target, name) for name in ("milvus_uri", "embedding_url", "llm_url", "object_store_endpoint")}
        urls |= {"reranker_url": target.reranker.url} if target.reranker is not None else {}
        addresses = {name: kubernetes.address(url) for name, url in urls.items()}
        check.facts["addresses"] = addresses
        network.bypass_proxies(addresses.values())
        record.images = [asdict(image) for image in kubernetes.running_images(target.namespace)]
        record.versions = {name: version(name) for name in _CLIENTS}
        connector = Connector(target=target, kubernetes=kubernetes, closing=bench.closing, secrets=record.secrets)
        documents, milvus = connector.documents(), connector.milvus()
        record.versions["milvus server"] = milvus.server_version()
        models = connector.models(bench.profile.answer.timeout_s)
        documents.check()
        check.facts["notes"] = connector.check(models)
    for note in check.facts["notes"]:
        bench.reporter.say(f"note: {note}")
    return Services(milvus=milvus, documents=documents, embedding=models.embedding, llm=models.llm, reranker=models.reranker)
