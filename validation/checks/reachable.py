"""Connects to every part of the target, and refuses one that does not answer or is not what the stack declared."""

from dataclasses import asdict
from importlib.metadata import version

from validation.checks.context import GATE, RunContext, Services
from validation.clients import kube, network
from validation.clients.connect import Connector
from validation.run.record import Facts

_CLIENTS = ("pymilvus", "numpy", "boto3", "httpx", "hdrhistogram")


@GATE.check("reachable", "Does every part of the target answer, and is it what the stack declared?")
def reachable(run: RunContext, facts: Facts) -> None:
    """Connect to everything, or raise what is not there."""
    target, record = run.target, run.record
    kubernetes = kube.connect()
    run.closing.callback(kubernetes.close)
    urls = {name: getattr(target, name) for name in ("milvus_uri", "embedding_url", "llm_url", "object_store_endpoint")}
    urls |= {"reranker_url": target.reranker.url} if target.reranker is not None else {}
    addresses = {name: kubernetes.address(url) for name, url in urls.items()}
    facts["addresses"] = addresses
    network.bypass_proxies(addresses.values())
    record.images = [asdict(image) for image in kubernetes.running_images(target.namespace)]
    record.versions = {name: version(name) for name in _CLIENTS}
    connector = Connector(target=target, kubernetes=kubernetes, closing=run.closing, secrets=record.secrets)
    documents, milvus = connector.documents(), connector.milvus()
    record.versions["milvus server"] = milvus.server_version()
    models = connector.models(run.profile.answer.timeout_s)
    documents.check()
    facts["notes"] = connector.check(models)
    for note in facts["notes"]:
        run.reporter.say(f"note: {note}")
    run.services = Services(milvus=milvus, documents=documents, embedding=models.embedding, llm=models.llm, reranker=models.reranker)
