"""Which searches will be sent: all drawn from the seed before the clock starts, so that nothing but sending happens under load.

Queries are questions people ask (judged), questions about generated documents, and planted ones: stored vectors, pushed a little aside.
Uniform noise is not used: in many dimensions all of it is equally far from everything, and any index looks alike. No search is sent twice:
a cache on the way would answer the second one. The first planted ones are of the newest rows, which must take part in the load.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.clients.passages import quoted
from validation.clients.vectors import Mask, Matrix, unit
from validation.judge.profile import Filter, Search

_PUSH = 0.25  # length of the push on a planted query, against a vector of length 1: it still points at its own row (cosine about 0.97)
_NUDGE = 0.01  # the same for a question that is drawn again and again: another search, with the same answer (cosine 0.99995)
NEWEST = 20  # how many of the last rows are searched for


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The scalar fields that filters look at, one entry a row."""

    language: np.ndarray[tuple[int], np.dtype[np.str_]]
    bucket: np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Vectors that queries are drawn from, and the language of each."""

    vectors: Matrix
    languages: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The searches in the order they will be sent; `queries` row i belongs to search i."""

    queries: Matrix
    filters: tuple[Filter, ...]
    kinds: tuple[str, ...]
    planted_rows: tuple[int | None, ...]  # for a planted query the row that it was made from


def make_plan(search: Search, pools: dict[str, Pool], count: int, seed: int) -> Plan:
    """Draw `count` searches from the pools `judged`, `generated` and `planted`; the last one holds the rows themselves."""
    draw = random.Random(f"{seed}/plan")  # noqa: S311 - reproducible load, nothing secret
    shares = search.queries.model_dump()
    kinds = draw.choices(list(shares), weights=list(shares.values()), k=count)
    filters = draw.choices(search.filters, weights=[chosen.share for chosen in search.filters], k=count)
    members = [draw.randrange(len(pools[kind].vectors)) for kind in kinds]
    planted, rows = [number for number, kind in enumerate(kinds) if kind == "planted"], len(pools["planted"].vectors)
    for number, newest in zip(planted, range(rows - 1, max(rows - NEWEST, 0) - 1, -1), strict=False):
        members[number] = newest
    drawn = list(zip(kinds, members, strict=True))
    lengths = np.array([[_PUSH if kind == "planted" else _NUDGE] for kind in kinds], dtype=np.float32)
    return Plan(
        queries=pushed(unit(np.stack([pools[kind].vectors[member] for kind, member in drawn])), seed, lengths),
        filters=tuple(_own(chosen, pools[kind].languages[member]) for chosen, (kind, member) in zip(filters, drawn, strict=True)),
        kinds=tuple(kinds),
        planted_rows=tuple(member if kind == "planted" else None for kind, member in drawn),
    )


def pushed(vectors: Matrix, seed: int, lengths: Matrix | float = _PUSH) -> Matrix:
    """Return the vectors, each of length 1, pushed a little aside, and of length 1 again; `lengths` is one, or a column of them."""
    push = np.random.default_rng(seed).standard_normal(vectors.shape).astype(np.float32)
    return unit(vectors + lengths * unit(push))


def _own(chosen: Filter, language: str) -> Filter:
    """Put the language of the query in the place of `own`."""
    return chosen.model_copy(update={"language": language}) if chosen.language == "own" else chosen


def expression(chosen: Filter) -> str:
    """Return the filter as Milvus reads it; empty for none."""
    parts = [f"language == {quoted(chosen.language)}"] if chosen.language is not None else []
    parts += [f"bucket < {chosen.bucket_below}"] if chosen.bucket_below is not None else []
    return " and ".join(parts)


def mask(chosen: Filter, columns: Columns) -> Mask:
    """Return which rows the filter lets through, by numpy alone."""
    passing: Mask = np.ones(len(columns.bucket), dtype=np.bool_)
    if chosen.language is not None:
        passing &= columns.language == chosen.language
    if chosen.bucket_below is not None:
        passing &= columns.bucket < chosen.bucket_below
    return passing


def masks(filters: Sequence[Filter], columns: Columns) -> list[Mask]:
    """Return one mask for each search; equal filters share one array."""
    distinct = {expression(chosen): mask(chosen, columns) for chosen in filters}
    return [distinct[expression(chosen)] for chosen in filters]
