"""The passages of a collection that are nearest to a question, with the gate's own clients and the time of each stage.

    UsageError
    |- NoCollectionError      ask.no_collection    no such collection in this database
    `- itself                 ask.released         it is there and not loaded
                              ask.empty            it is loaded and holds nothing
                              ask.foreign          another model's vectors

A search costs Milvus one call: why one failed is asked afterwards. Labels are a filter, no protection: that is what databases are for.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from grpc import RpcError
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.clients import milvus_connection
from validation.clients.connect import Connector, Models
from validation.clients.login import Login
from validation.clients.milvus import SCALARS, each_there, failures_named
from validation.clients.passages import Chunk, quoted
from validation.corpus.ingest import store
from validation.judge.errors import InvalidRunError, UnreachableError, UsageError
from validation.judge.profile import Index

MOST_PASSAGES = 50
_CANDIDATES, _AROUND = 4, 100
_TIMEOUT_S = 5.0
_FIELDS = [name for name in SCALARS if name not in {"id", "bucket", "notes"}]
_SEARCHED: dict[str, Any] = {"consistency_level": "Bounded", "timeout": _TIMEOUT_S}


class NoCollectionError(UsageError):
    """No such collection in this database."""

    code = "ask.no_collection"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to one collection; "" filters nothing."""

    question: str
    collection: str
    database: str
    limit: int = 8
    language: str = ""
    access: str = ""
    path: str = ""  # how the path of the document begins, such as `en/`

    def expression(self) -> str:
        """Return the filter as Milvus reads it: what a user types stays a value."""
        equal = [f"{name} == {quoted(value)}" for name in ("language", "access") if (value := getattr(self, name))]
        return " and ".join([*equal, *([f"source like {quoted(self.path + '%')}"] if self.path else [])])


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One hit."""

    id: int
    score: float  # as the index measures: with COSINE and IP the higher the nearer
    chunk: Chunk

    @property
    def place(self) -> str:
        """Title, section, page and time code, as a reader looks for it."""
        page = f"page {self.chunk.page}" if self.chunk.page else ""
        parts = dict.fromkeys((self.chunk.title, self.chunk.section, page, self.chunk.time_code))
        return ", ".join(part for part in parts if part) or self.chunk.source


@dataclass
class Stages:
    """Milliseconds of each stage, in their order."""

    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time one, also if it fails."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = round((time.perf_counter() - begin) * 1e3, 2)


class Retriever:
    """Embeds, searches and reranks; usable from many threads at once."""

    def __init__(self, connector: Connector, models: Models, tenants: Mapping[str, str]) -> None:
        """`tenants` names the Secret with Milvus's user for each further database, "" for none."""
        target, given = connector.target, connector.target.milvus_index
        if given is None:
            raise UsageError("the stack does not say how its collections are searched (output milvus_index): deploy it again: pulumi up")
        self.index = Index(type=given.index_type, metric=given.metric_type, params=given.params, search_params=given.search_params)
        self._connector, self._models = connector, models
        self._secrets = {target.milvus_database: target.milvus_search_secret_name, **tenants}
        self._mark = store.description(target.passage_model, target.embedding_dimension)
        self._clients, self._checked, self._lock = dict[str, MilvusClient](), set[tuple[str, str]](), threading.Lock()

    def search(self, query: Query, stages: Stages) -> list[Passage]:
        """Return the nearest passages, best first."""
        with stages.timed("embed"):
            vector = self._models.embedding.embed_queries([query.question])[0]
        reranker = self._models.reranker
        limit = query.limit * (_CANDIDATES if reranker else 1)
        how = {"filter": query.expression(), "limit": limit, "search_params": {"params": self.index.searching(limit)}}
        with stages.timed("search"), self._reading(query.database, query.collection) as milvus:
            self._refuse_foreign(milvus, query)
            hits = milvus.search(query.collection, data=[vector], output_fields=_FIELDS, **how, **_SEARCHED)[0]
            if not hits and not query.expression():
                raise UsageError(f"collection {query.collection} is empty; {_INGEST.format(query.collection)}", code="ask.empty")
            passages = [Passage(id=int(hit["id"]), score=float(hit["distance"]), chunk=_chunk(hit["entity"])) for hit in hits]
        if reranker is not None and passages:
            with stages.timed("rerank"):
                order, _ = reranker.rank(query.question, [passage.chunk.passage for passage in passages])
            passages = [passages[place] for place in order[: query.limit]]
        return passages

    def document(self, database: str, collection: str, passage_id: int) -> tuple[int, list[Chunk]]:
        """Return the position of a passage in its document, and the chunks around it, in their order."""
        with self._reading(database, collection) as milvus:
            rows = milvus.query(collection, ids=[passage_id], output_fields=_FIELDS, **_SEARCHED)
            if not rows:
                raise NoCollectionError(f"passage {passage_id} is no longer in {collection}: the document was changed; ask again")
            chunk = _chunk(rows[0])
            near = f"position >= {chunk.position - _AROUND} and position <= {chunk.position + _AROUND}"
            same = f"source == {quoted(chunk.source)} and fingerprint == {quoted(chunk.fingerprint)} and {near}"
            around = milvus.query(collection, filter=same, output_fields=_FIELDS, **_SEARCHED)
        return chunk.position, sorted(map(_chunk, around), key=lambda each: each.position)

    def collections(self, database: str) -> list[str]:
        """Return the names of the collections that `ingest` made."""
        with self._reading(database, "") as milvus:
            return [name for name, about in each_there(milvus, partial(_description, milvus)) if about.startswith(store.MARK)]

    def _refuse_foreign(self, milvus: MilvusClient, query: Query) -> None:
        """Once a collection: among vectors of another model the nearest ones mean nothing."""
        name = query.collection
        if (query.database, name) in self._checked:
            return
        mark = _description(milvus, name)
        if mark.startswith(store.MARK) and mark != self._mark:
            held, served = (each.removeprefix(f"{store.MARK}; ") for each in (mark, self._mark))
            raise UsageError.of("ask.foreign", code="ask.foreign", name=name, held=held, served=served)
        self._checked.add((query.database, name))

    @contextmanager
    def _reading(self, database: str, collection: str) -> Iterator[MilvusClient]:
        """Yield a client of one database; a failure is explained by what Milvus says about the collection."""
        with self._lock:  # connected at the first question, so that a service starts before Milvus does
            milvus = self._clients[database] = self._clients.get(database) or self._connect(database)
        try:
            with failures_named(self._connector.target.milvus_uri, f"reading {collection or database}"):
                yield milvus
        except InvalidRunError as error:
            self._checked.discard((database, collection))
            state = "Loaded"
            with suppress(MilvusException, RpcError):  # as far as Milvus still answers
                if collection and not milvus.has_collection(collection, timeout=_TIMEOUT_S):
                    there = f"there is no collection {collection} in database {database}"
                    raise NoCollectionError(f"{there}; {_INGEST.format(collection)}") from error
                state = str(milvus.get_load_state(collection, timeout=_TIMEOUT_S).get("state", "")) if collection else state
            if "Loaded" not in state.replace("NotLoad", ""):
                raise UsageError.of("ask.released", code="ask.released", collection=collection, state=state) from error
            raise UnreachableError(str(error)) from error

    def _connect(self, database: str) -> MilvusClient:
        connector, secret = self._connector, self._secrets[database]
        address = connector.kubernetes.address(connector.target.milvus_uri)
        tls = connector.milvus_tls(address)
        try:
            milvus_connection.check_address(address, tls)
            login = partial(connector.login, secret) if secret else Login
            milvus = milvus_connection.log_in(address, database, login, tls)
        except (OSError, MilvusException, RpcError) as error:
            raise UnreachableError.of("ask.closed", address=address, database=database, error=error) from error
        connector.closing.callback(milvus.close)
        return milvus


_INGEST = "fill it: ./rag ingest ENV DIR --collection {}"


def _description(milvus: MilvusClient, name: str) -> str:
    return str(milvus.describe_collection(name, timeout=_TIMEOUT_S).get("description", ""))


def _chunk(fields: Mapping[str, Any]) -> Chunk:
    return Chunk(**{name: fields[name] for name in _FIELDS})
