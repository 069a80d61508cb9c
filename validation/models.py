"""Opens and checks the clients of the model services: where each is, with which key and authority, and its last words when silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from validation.bench import Bench
from validation.clients.embedding import EmbeddingService
from validation.clients.http import Access
from validation.clients.llm import LanguageModel
from validation.clients.reranker import Reranker
from validation.cluster import Cluster
from validation.errors import UnreachableError


@dataclass(frozen=True, kw_only=True)
class Models:
    """The clients of one run."""

    embedding: EmbeddingService
    llm: LanguageModel
    reranker: Reranker | None


def connect(bench: Bench, kubernetes: Cluster) -> Models:
    """Open a client for each model service that the target has; the run closes them."""
    target, patience_s = bench.target, bench.profile.answer.timeout_s
    access = _access(bench, kubernetes, target.embedding_url, target.embedding_secret_name, target.embedding_ca_config_map)
    embedding = EmbeddingService(kubernetes.address(target.embedding_url), target.embedding_model, target.embedding_dimension, access)
    bench.closing.callback(embedding.close)
    access = _access(bench, kubernetes, target.llm_url, target.llm_secret_name, target.llm_ca_config_map)
    llm = LanguageModel(kubernetes.address(target.llm_url), target.llm_model, patience_s, access)
    bench.closing.callback(llm.close)
    return Models(embedding=embedding, llm=llm, reranker=_reranker(bench, kubernetes))


def check(bench: Bench, kubernetes: Cluster, models: Models) -> None:
    """Refuse what does not answer, with its last words, and what is not the model that the stack declares."""
    target = bench.target
    with _last_words(kubernetes, target.embedding_url):
        models.embedding.check()
    with _last_words(kubernetes, target.llm_url):
        models.llm.check(target.llm_context_tokens)
    if models.reranker is not None and target.reranker is not None:
        with _last_words(kubernetes, target.reranker.url):
            models.reranker.check()


def _reranker(bench: Bench, kubernetes: Cluster) -> Reranker | None:
    target = bench.target.reranker
    if target is None:
        return None
    access = _access(bench, kubernetes, target.url, target.secret_name, target.ca_config_map)
    found = Reranker(kubernetes.address(target.url), target.model, access)
    bench.closing.callback(found.close)
    return found


def _access(bench: Bench, kubernetes: Cluster, url: str, secret_name: str, ca_config_map: str) -> Access:
    namespace = bench.target.namespace

    def read_key() -> str:
        key = kubernetes.api_key(namespace, secret_name)
        bench.record.secrets.append(key)
        return key

    parts = urlsplit(url)
    moved = parts.scheme == "https" and kubernetes.address(url) != url
    return Access(
        read_key=read_key if secret_name else None,
        ca_pem=kubernetes.certificate_authority(namespace, ca_config_map) if ca_config_map else "",
        server_name=(parts.hostname or "") if moved else "",
    )


@contextmanager
def _last_words(kubernetes: Cluster, url: str) -> Iterator[None]:
    try:
        yield
    except UnreachableError as error:
        said = kubernetes.last_words(url)
        raise UnreachableError(f"{error}; {said}" if said else str(error)) from error
