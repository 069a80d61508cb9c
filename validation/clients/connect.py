"""Opens a client for each part of a target: where it is, with which key and authority, and its last words when it is silent.

Refuses a part that is not there or is not what the stack declared. Owns no request: those are the clients'.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from validation.clients import kube, milvus
from validation.clients.asking import AskService
from validation.clients.documents import DocumentStore
from validation.clients.http import Access
from validation.clients.kube import Cluster
from validation.clients.llm import LanguageModel
from validation.clients.login import Login, Logins
from validation.clients.milvus import VectorStore
from validation.clients.milvus_connection import Tls
from validation.clients.retrieval_models import EmbeddingService, Reranker
from validation.clients.target import Target
from validation.judge.errors import UnreachableError, UsageError

_Client = TypeVar("_Client", AskService, DocumentStore, EmbeddingService, LanguageModel, Reranker, VectorStore)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The clients of the model services."""

    embedding: EmbeddingService
    llm: LanguageModel
    reranker: Reranker | None


@dataclass(frozen=True, kw_only=True)
class Connector:
    """What every client is opened with."""

    target: Target
    kubernetes: Cluster
    closing: ExitStack  # closes the clients, and removes the files of authorities, when it ends
    secrets: list[str]  # each credential that is read is added: no report may show it

    def milvus(self) -> VectorStore:
        """Connect to Milvus; UnreachableError where nothing answers."""
        target, address, logins = self.target, self.kubernetes.address(self.target.milvus_uri), Logins()
        if target.milvus_search_secret_name:  # else there is no user; each Secret is read when it is needed
            names = (target.milvus_search_secret_name, target.milvus_ingest_secret_name, target.milvus_admin_secret_name)
            search, ingest, admin = (partial(self.login, name) for name in names)
            logins = Logins(search=search, ingest=ingest, admin=admin)
        return self._opened(milvus.connect(address, target.milvus_database, logins, self.milvus_tls(address)))

    def milvus_tls(self, address: str) -> Tls:
        """Return whom to trust: the private authority that the target names, and the name of the Service where its ClusterIP is asked."""
        name, host = self.target.milvus_ca_config_map, urlsplit(self.target.milvus_uri).hostname or ""
        origin = f"ConfigMap {name} in {self.target.namespace}" if name else ""
        return Tls(ca_file=self._ca_file(name), server_name=host if host != urlsplit(address).hostname else "", origin=origin)

    def documents(self) -> DocumentStore:
        """Return the documents bucket, opened with its own credential."""
        target, endpoint = self.target, self.kubernetes.address(self.target.object_store_endpoint)
        credential = self.kubernetes.credential(target.namespace, target.documents_secret_name)
        self.secrets.extend([credential.access_key, credential.secret_key])
        place: dict[str, str] = {"endpoint": endpoint, "region": target.object_store_region, "bucket": target.documents_bucket}
        return self._opened(DocumentStore(**place, credential=credential, ca_file=self.store_ca_file()))

    def store_ca_file(self) -> Path | None:
        """Return the private authority of the store as a file, None where the public ones do."""
        return self._ca_file(self.target.object_store_ca_config_map)

    def models(self, llm_timeout_s: float) -> Models:
        """Open a client for each model service that the target has."""
        target, address = self.target, self.kubernetes.address
        kinds = {"query": target.embedding_query, "passage": target.embedding_passage}
        access = self._access(target.embedding_url, target.embedding_secret_name, target.embedding_ca_config_map)
        embedding = EmbeddingService(address(target.embedding_url), target.embedding_model, target.embedding_dimension, access, **kinds)
        access = self._access(target.llm_url, target.llm_secret_name, target.llm_ca_config_map)
        options: dict[str, Any] = {"max_tokens": target.llm_answer_tokens, "temperature": target.llm_temperature}
        llm = LanguageModel(address(target.llm_url), target.llm_model, llm_timeout_s, access, **options)
        reranker = None
        if (service := target.reranker) is not None:
            access = self._access(service.url, service.secret_name, service.ca_config_map)
            reranker = self._opened(Reranker(address(service.url), service.model, access))
        return Models(embedding=self._opened(embedding), llm=self._opened(llm), reranker=reranker)

    def _opened(self, client: _Client) -> _Client:
        self.closing.callback(client.close)
        return client

    def ask(self, timeout_s: float) -> AskService:
        """Open a client of the service of questions; UsageError where the stack has none."""
        url, target = self.target.ask_url, self.target
        if not url:
            raise UsageError.of("ask.no_service")
        access = self._access(url, target.ask_secret_name, "")
        return self._opened(AskService(self.kubernetes.address(f"{url.rstrip('/')}/v1"), timeout_s, access))

    def check(self, models: Models) -> list[str]:
        """Refuse a model service that does not answer, with its last words, or that is not what the stack declares; return notes."""
        target, notes = self.target, list[str]()
        checks: list[tuple[str, Callable[[], list[str] | None]]] = [(target.embedding_url, models.embedding.check)]
        checks.append((target.llm_url, partial(models.llm.check, target.llm_context_tokens)))
        if models.reranker is not None and target.reranker is not None:
            checks.append((target.reranker.url, models.reranker.check))
        for url, check in checks:
            try:
                notes += check() or []
            except UnreachableError as error:
                words = self.kubernetes.last_words(url)
                raise UnreachableError(f"{error}; {words}" if words else str(error)) from error
        return [*notes, *models.llm.notes]

    def login(self, secret_name: str) -> Login:
        """Return user and password of Milvus, as the Secret holds them now."""
        login = self.kubernetes.login(self.target.namespace, secret_name)
        self.secrets.append(login.password)
        return login

    def _access(self, url: str, secret_name: str, ca_config_map: str) -> Access:
        namespace, parts = self.target.namespace, urlsplit(url)
        moved = parts.scheme == "https" and self.kubernetes.address(url) != url
        ca_pem = self.kubernetes.certificate_authority(namespace, ca_config_map) if ca_config_map else ""

        def read_key() -> str:
            key = self.kubernetes.api_key(namespace, secret_name)
            self.secrets.append(key)
            return key

        return Access(read_key=read_key if secret_name else None, ca_pem=ca_pem, server_name=(parts.hostname or "") if moved else "")

    def _ca_file(self, config_map: str) -> Path | None:
        """Write an authority to a file that goes when the run ends; boto3 takes a CA only as a path."""
        if not config_map:
            return None
        path = Path(self.closing.enter_context(tempfile.TemporaryDirectory(prefix="gate-"))) / "ca.crt"
        path.write_text(self.kubernetes.certificate_authority(self.target.namespace, config_map), encoding="utf-8")
        return path


def open_connector(target: Target, closing: ExitStack, secrets: list[str], *urls: str, mounted: Path | None = None) -> Connector:
    """Connect to the cluster until `closing` ends; clients of `urls`, which the target names, ask past a proxy of the shell.

    Inside a pod, Secrets and ConfigMaps are read from the folder `mounted` instead.
    """
    kubernetes = kube.connect() if mounted is None else kube.Mounted(mounted)
    closing.callback(kubernetes.close)
    kube.bypass_proxies([kubernetes.address(url) for url in urls])
    return Connector(target=target, kubernetes=kubernetes, closing=closing, secrets=secrets)
