"""What the checks of the gate share: the objectives, the data, the open clients, and the record they write to.

Owns the collections that a run makes for itself: a name that no other run has, noted as left behind until it is dropped.
"""

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from validation.ask.retrieval import Retriever
from validation.checks.registry import Check, Suite
from validation.clients import kube
from validation.clients.asking import AskService
from validation.clients.connect import Models, open_connector
from validation.clients.documents import DocumentStore
from validation.clients.milvus import PREFIX, Collection, Row, VectorStore
from validation.clients.passages import Chunk
from validation.clients.target import Target
from validation.clients.vectors import Mask, Matrix
from validation.corpus.documents import Corpus, Question
from validation.corpus.generator import Generated
from validation.corpus.grading import Graded
from validation.judge import interval
from validation.judge.errors import GateError, InvalidRunError
from validation.judge.profile import Profile
from validation.load import truth
from validation.load.histogram import Histogram
from validation.load.open_loop import Sample
from validation.load.plan import Columns
from validation.load.pods.generator import ahead_s
from validation.run.record import Facts, Record, Reporter

Bounds = tuple[float, float]
_STEP_S = 0.2  # Milvus's clock moves on in steps of some 50 ms


@dataclass(frozen=True, kw_only=True)
class Services(Models):
    """The target's parts, connected."""

    milvus: VectorStore
    milvus_pod: str = ""  # its address by one of its pods, whose port 9091 no Service has; "" where none is seen
    documents: DocumentStore
    asking: tuple[AskService, Retriever] | None = None
    """The service of questions, where answers are asked of it, and the same search called directly."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A collection that is complete, indexed and loaded, and what is known to be in it."""

    collection: Collection
    rows: list[Row]
    matrix: Matrix
    generated: list[Generated]
    places: Mapping[int, int] | None = None  # row in the matrix by the id that Milvus has for it; None where they are the same

    def rows_of(self, ids: Sequence[int]) -> list[int]:
        """Return the rows that these ids stand for; InvalidRunError for one that came while the run went on."""
        try:
            return list(ids) if self.places is None else [self.places[number] for number in ids]
        except KeyError as error:
            raise InvalidRunError.of("gate.written_meanwhile", name=self.collection.name, error=error) from None

    def chunks(self, ids: Sequence[int]) -> list[Chunk]:
        """Return the chunks of the rows that a search found; InvalidRunError for one that was never sent."""
        rows = self.rows_of(ids)
        if strange := [row for row in rows if not 0 <= row < len(self.rows)]:
            raise InvalidRunError.of("gate.strange_row", name=self.collection.name, row=strange[0])
        return [self.rows[row].chunk for row in rows]

    def extended(self, rows: list[Row], vectors: Matrix) -> "Loaded":
        """Return what is known once these rows are in the collection too."""
        return replace(self, rows=[*self.rows, *rows], matrix=np.vstack([self.matrix, vectors]))

    def in_rows(self, samples: Iterable[Sample]) -> list[Sample]:
        """Return the samples with rows in the place of ids."""
        return [replace(sample, ids=self.rows_of(sample.ids)) for sample in samples]

    def columns(self) -> Columns:
        """Return the scalar fields that filters look at, as arrays."""
        buckets = np.array([row.bucket for row in self.rows], dtype=np.int64)
        return Columns(language=np.array([row.chunk.language for row in self.rows]), bucket=buckets)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """The two parts that a test may replace by a broken one, to see that the gate notices; no option of the command line reaches them."""

    delivered: Callable[[list[Row]], list[Row]] = list
    """Which of the rows reach Milvus. Broken: `lambda rows: rows[::2]`, a collection that is half loaded."""
    exact_truth: Callable[[Matrix, Matrix, Sequence[Mask], int], list[truth.Exact]] = truth.exact_truth
    """Exact answers to all searches. Broken: the same answers in another order."""


@dataclass(kw_only=True)
class RunContext:
    """One run: what it was given, and what its checks have found so far."""

    profile: Profile
    target: Target
    corpus: Corpus
    seed: int
    keep: bool  # whether collections stay when the run ends
    record: Record
    reporter: Reporter
    closing: ExitStack  # undone in reverse order when the run ends, however it ends
    overrides: Overrides = field(default_factory=Overrides)
    collection: str = ""  # a collection that is there already, to be judged without writing; "" for one of the run's own
    is_scaled: bool = False  # whether limits are scaled to what a collection holds: nobody named an SLO file for it
    mounted: Path | None = None  # folder of Secrets and ConfigMaps, in a pod that has no token of the cluster
    pods: int = 0  # how many pods of a Job send the searches; 0 for processes of this machine
    services: Services = field(init=False, repr=False)  # set by `reachable`
    loaded: Loaded = field(init=False, repr=False)  # set by `ingest` or `existing`; `freshness` adds rows
    growing: Loaded | None = field(default=None, repr=False)
    """Set by `growing`: rows in a collection of their own, which `freshness` seals together with the others."""
    growing_samples: list[Sample] = field(default_factory=list, repr=False)  # set by `growing`: what was found of them meanwhile
    question_vectors: Matrix = field(init=False, repr=False)  # set by `embedding`: one row for each question of the corpus, of length 1
    sources: list[list[Chunk]] = field(init=False, repr=False)
    """Set by `sources`: the chunks that the language model is shown for each question, best first."""
    graded: list[Graded] = field(init=False, repr=False)  # set by `answer`: the questions that were answered
    begun_s: float = 0.0  # by the monotonic clock, when the clocks were compared first, by `reachable`
    clocks_ahead: dict[str, Bounds] = field(default_factory=dict)
    verified: dict[str, int] = field(default_factory=dict)  # how many answers of each load were held against the invariants
    broken: dict[str, list[truth.Broken]] = field(default_factory=dict)  # what of them broke one, by load

    def with_profile(self, profile: Profile, record: Record, pods: int | None = None) -> "RunContext":
        """Return the same run with another profile, its measurements in another record."""
        other = copy.copy(self)
        other.profile, other.record, other.pods = profile, record, self.pods if pods is None else pods
        other.verified, other.broken = {}, {}
        return other

    def measure_latency(self, prefix: str, seconds: Sequence[float], percentiles: Sequence[int] = (50, 95), *, load: bool = False) -> None:
        """Record percentiles in milliseconds, of requests one after the other or, under `load`, at planned times."""
        histogram = Histogram(seconds)
        spread = interval.of_load_percentile_ms if load else interval.of_percentile_ms
        for percentile in percentiles:
            value = histogram.percentile_ms(percentile)
            self.record.measure(f"{prefix}_p{percentile}_ms", value, len(seconds), spread(seconds, percentile))

    def answerable(self) -> list[tuple[Question, Matrix]]:
        """Return the judged questions that the documents answer, each with its vector."""
        pairs = zip(self.corpus.questions, self.question_vectors, strict=True)
        return [(question, vector) for question, vector in pairs if question.is_answerable]

    def make_collection(self, suffix: str = "") -> Collection:
        """Create a collection with the profile's index, to be dropped when the run ends; refuse a name that is taken."""
        collection = self.reserve_collection(suffix)
        collection.create(self.target.embedding_dimension, self.profile.search.chosen_index)
        return collection

    def reserve_collection(self, suffix: str = "") -> Collection:
        """Return the handle of a collection that is not there yet; whatever is made of it is dropped when the run ends."""
        name = f"{PREFIX}{self.record.run_id}{suffix}"
        self.services.milvus.refuse_taken(name)
        self.record.left_behind.append(name)
        collection = self.services.milvus.collection(name)
        if not self.keep:
            self.closing.callback(self._drop, collection)
        return collection

    def _drop(self, collection: Collection) -> None:
        """Drop it; a failure is reported, but never hides why the run ended."""
        try:
            collection.drop()
            self.record.left_behind.remove(collection.name)
        except GateError as error:
            self.reporter.say(f"collection {collection.name} is left behind: {error}")


def clocks_ahead_s(services: Services) -> dict[str, Bounds]:
    """Return between which two numbers of seconds our monotonic clock is ahead of each clock that tells its time."""
    asked_s = time.monotonic()
    date = services.documents.date()
    ahead = {"the store": ahead_s(date, asked_s, time.monotonic())} if date else {}
    asked_s = time.monotonic()
    if now_s := services.milvus.now_s():
        ahead["Milvus"] = (asked_s - now_s - _STEP_S, time.monotonic() - now_s + _STEP_S)
    return ahead


GATE = Suite[RunContext](Path(__file__).with_name("measures.yaml"))  # what `./rag gate` asks


def unpromised(run: RunContext, check: Check[RunContext]) -> str:
    """Return why a check that costs seconds is skipped: no objective names any of its measures."""
    names = [measure.name for measure in check.measures]
    return "" if run.profile.objectives.keys() & set(names) else f"the SLO file promises nothing about it (objectives {', '.join(names)})"


@GATE.check()
def reachable(run: RunContext, facts: Facts) -> None:
    """Does every part of the target answer, and is it what the stack declared?"""
    target, record = run.target, run.record
    connector = open_connector(target, run.closing, record.secrets, mounted=run.mounted)
    kubernetes = connector.kubernetes
    urls = {name: getattr(target, name) for name in ("milvus_uri", "embedding_url", "llm_url", "object_store_endpoint")}
    urls |= {"reranker_url": target.reranker.url} if target.reranker is not None else {}
    urls |= {"ask_url": target.ask_url} if target.ask_url else {}
    addresses = {name: kubernetes.address(url) for name, url in urls.items()}
    facts["addresses"] = addresses
    kube.bypass_proxies(addresses.values())
    record.images = kubernetes.running_images(target.namespace)
    record.versions = {name: version(name) for name in ("pymilvus", "numpy", "boto3", "httpx", "hdrhistogram")}
    documents, milvus = connector.documents(), connector.milvus()
    record.versions["milvus server"] = milvus.server_version()
    models = connector.models(run.profile.answer.timeout_s)
    documents.check()
    facts["notes"] = connector.check(models)
    for note in facts["notes"]:
        run.reporter.say(f"note: {note}")
    asking = None
    if run.profile.answer.through == "ask":
        asking = connector.ask(run.profile.answer.timeout_s), Retriever(connector, models, {})
        asking[0].check()
    pod = kubernetes.pod_address(target.milvus_uri)
    run.services = Services(milvus=milvus, milvus_pod=pod, documents=documents, asking=asking, **vars(models))
    run.begun_s, run.clocks_ahead = time.monotonic(), clocks_ahead_s(run.services)
