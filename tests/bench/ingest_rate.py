"""How fast the pipeline writes against pymilvus alone, and how much memory it takes; embedding is taken out of both.

The same rows go to Milvus twice: made beforehand and inserted by a plain loop, and read from files by the pipeline, chunking included. The
files are plain text, so that what is measured is the pipeline and not a parser; how fast Markdown is read is told beside it. Each pipeline
runs in a process of its own, so that the most memory it ever held is its own.
"""

import json
import math
import multiprocessing
import re
import secrets
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from validation.clients import kube, milvus
from validation.clients import target as targets
from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit
from validation.corpus.ingest import pipeline
from validation.corpus.ingest.folder import walk
from validation.corpus.ingest.pipeline import Job
from validation.corpus.ingest.prepare import distinct, prepare
from validation.corpus.ingest.store import FolderCollection, row
from validation.corpus.reading import Limits
from validation.corpus.reading.isolation import IsolatedReader
from validation.judge.errors import GateError, UsageError, exit_code
from validation.judge.profile import Index

HELP = """Measure the ingest pipeline against a bare pymilvus insert of the same rows, and its memory for few and for many chunks.

Makes files and collections of its own, and removes them. Embedding is taken out: vectors are drawn beforehand. Exit codes: 0 at least 0.9
of the bare rate and no more than 1.25 times the memory, 1 not so, 2 usage, 4 Milvus does not answer.
"""
INDEX = Index(type="HNSW", metric="COSINE", params={"M": 16, "efConstruction": 64}, search_params={"ef": 64})
_POOL = 1_024
_CHUNKS_A_FILE = 20
_WORDS = ("conveyor", "tugger", "battery", "sensor", "charge", "brake", "manual", "shift", "torque", "pallet", "aisle", "gate")
_LEAST_SHARE, _MOST_GROWTH = 0.9, 1.25
_MIB = 1024


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One pipeline: how many chunks in how many seconds, and the most memory it held."""

    chunks: int
    seconds: float
    """Until the last row was acknowledged."""
    whole_s: float
    """Until all rows were counted, too."""
    memory_mib: float


class Drawn:
    """Stands where an embedding service would: one of a thousand vectors, by the text."""

    def __init__(self, dimension: int) -> None:
        self._pool = unit(np.random.default_rng(7).standard_normal((_POOL, dimension)).astype(np.float32))

    def __call__(self, chunks: Sequence[Chunk]) -> Matrix:
        """Return a vector for each chunk."""
        return self._pool[[zlib.crc32(chunk.passage.encode()) % _POOL for chunk in chunks]]


def rate(
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi stack whose Milvus is measured.")] = None,
    uri: Annotated[str | None, typer.Option(help="Address of a Milvus, instead of --stack.")] = None,
    chunks: Annotated[int, typer.Option(min=2_000, max=1_000_000, help="How many, at most.")] = 50_000,
    few: Annotated[int, typer.Option(min=100, help="How many, for the memory of a small folder.")] = 1_000,
    dimension: Annotated[int, typer.Option(min=2, max=4_096)] = 256,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("build") / "reports" / "ingest-rate.json",
) -> None:
    """Measure, and exit with the answer."""
    try:
        found = measure(_address(stack, uri), few, chunks, dimension)
    except GateError as error:
        print(f"RESULT: {error.outcome} {error} (exit {exit_code(error.outcome, strict=False)})")
        raise typer.Exit(exit_code(error.outcome, strict=False)) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    kept = found["share"] >= _LEAST_SHARE and found["memory_growth"] <= _MOST_GROWTH
    print(f"RESULT: {'PASS' if kept else 'FAIL'} {_told(found)} (exit {int(not kept)}) report: {out}")
    raise typer.Exit(int(not kept))


def _address(stack: str | None, uri: str | None) -> str:
    if (stack is None) == (uri is None):
        raise UsageError("say which Milvus: give either --stack NAME or --uri http://HOST:PORT")
    if uri is not None:
        return uri
    aim = targets.read(str(stack))
    if aim.milvus_search_secret_name:
        raise UsageError("this measurement logs in as nobody, and the Milvus of this stack asks who is there; use the lab, or --uri")
    with closing(kube.connect()) as kubernetes:
        address = kubernetes.address(aim.milvus_uri)
    kube.bypass_proxies([address])
    return address


def measure(uri: str, few: int, chunks: int, dimension: int) -> dict[str, float]:
    """Run the bare loop and both pipelines; return rates in chunks/s and memory in MiB."""
    with tempfile.TemporaryDirectory(prefix="ingest-rate-") as home:
        small, large = Path(home) / "few", Path(home) / "many"
        make_folder(small, few)
        make_folder(large, chunks)
        make_folder(Path(home) / "markdown", few, ".md")
        read_rate = _read_rate(Path(home) / "markdown")
        least = _in_a_process(uri, small, dimension)
        bare = _bare(uri, large, dimension)
        most = _in_a_process(uri, large, dimension)
    return {
        "dimension": dimension,
        "bare_rate": bare.chunks / bare.seconds,
        "pipeline_rate": most.chunks / most.seconds,
        "share": (most.chunks / most.seconds) / (bare.chunks / bare.seconds),
        "markdown_read_rate": read_rate,
        "memory_growth": most.memory_mib / least.memory_mib,
        **{f"few_{name}": value for name, value in asdict(least).items()},
        **{f"many_{name}": value for name, value in asdict(most).items()},
    }


def _told(found: dict[str, float]) -> str:
    rates = f"{found['pipeline_rate']:,.0f} chunks/s, {found['share']:.2f} of the {found['bare_rate']:,.0f} of a bare insert"
    memory = f"{found['few_memory_mib']:.0f} MiB for {found['few_chunks']:,} chunks, {found['many_memory_mib']:.0f} for"
    counted = f"with the count at the end {found['many_whole_s']:.1f} s instead of {found['many_seconds']:.1f}"
    return f"{rates}, {counted}; {memory} {found['many_chunks']:,}; Markdown is read at {found['markdown_read_rate']:,.0f} chunks/s a core"


def make_folder(folder: Path, chunks: int, suffix: str = ".txt") -> None:
    """Write files that make exactly so many chunks: of plain text, paragraphs of which no two fit one chunk; else each its own section."""
    folder.mkdir()
    for number in range(0, chunks, _CHUNKS_A_FILE):
        parts = [_paragraph(number + at) for at in range(min(_CHUNKS_A_FILE, chunks - number))]
        if suffix == ".md":
            parts = [f"# Document {number}", *(f"## Part {at}\n\n{part}" for at, part in enumerate(parts))]
        (folder / f"{number:07d}{suffix}").write_text("\n\n".join(parts) + "\n")


def _paragraph(number: int) -> str:
    return " ".join(f"{_WORDS[(number * 7 + each) % len(_WORDS)]} {number + each}" for each in range(55))


def _read_rate(folder: Path) -> float:
    """Return how many chunks of Markdown one core reads in a second of its own, once the reader is imported."""
    with IsolatedReader(Limits()) as reader:
        prepare(next(distinct(walk(folder), Limits(), print)), reader)
        begin = time.process_time()
        read = sum(len(prepare(one, reader).chunks) for one in distinct(walk(folder), Limits(), print))
        return read / (time.process_time() - begin)


def _in_a_process(uri: str, folder: Path, dimension: int) -> Ran:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(piped, uri, folder, dimension).result()


def piped(uri: str, folder: Path, dimension: int) -> Ran:
    """Run the pipeline over a folder."""
    with _collection(uri, dimension) as collection:
        job = Job(root=folder, collection=collection, embed=Drawn(dimension), dimension=dimension, originals=None)
        begin = time.perf_counter()
        tally = pipeline.run(job)
        whole_s = time.perf_counter() - begin
    return Ran(chunks=tally.written, seconds=tally.acknowledged_s, whole_s=whole_s, memory_mib=_peak_mib())


def _peak_mib() -> float:
    """Return the most memory that this process ever held; getrusage's number is never less than its parent's when it was started."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / _MIB if found else math.nan


def _bare(uri: str, folder: Path, dimension: int) -> Ran:
    """Insert the same rows by a plain loop; only the inserts are timed."""
    drawn, seconds, sent = Drawn(dimension), 0.0, 0
    with (
        _collection(uri, dimension) as collection,
        IsolatedReader(Limits()) as reader,
        closing(MilvusClient(uri=uri, timeout=60)) as client,
    ):
        size = Job(root=folder, collection=collection, embed=drawn, dimension=dimension, originals=None).batch_rows
        chunks = [chunk for one in distinct(walk(folder), Limits(), print) for chunk in prepare(one, reader).chunks]
        for first in range(0, len(chunks), size):
            batch = chunks[first : first + size]
            data = [{**row(chunk).fields(), "vector": vector} for chunk, vector in zip(batch, drawn(batch), strict=True)]
            begin = time.perf_counter()
            client.insert(collection.name, data, timeout=60)
            seconds += time.perf_counter() - begin
            sent += len(data)
    return Ran(chunks=sent, seconds=seconds, whole_s=seconds, memory_mib=0)


@contextmanager
def _collection(uri: str, dimension: int) -> Iterator[FolderCollection]:
    with closing(milvus.connect(uri, "default")) as store:
        collection = FolderCollection(store, f"ingest_rate_{secrets.token_hex(4)}")
        collection.open("drawn", dimension, INDEX)
        try:
            yield collection
        finally:
            collection.collection.drop()


if __name__ == "__main__":
    app = typer.Typer(rich_markup_mode=None)
    app.command(help=HELP)(rate)
    app()
