"""Adds documents of the sample corpus's shape, for load: the same seed gives the same documents, and the last costs no more than the first.

Every fifth document is a near-duplicate: all facts of the one before it but one. That is what makes neighbours close and recall hard, as
in a real document store; independent random text would not. Generated documents are never judged, they only stand in the way.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from validation.clients.passages import Chunk
from validation.clients.vectors import Matrix, unit

_NEAR_DUPLICATE_EVERY, _SECTIONS, _OTHERS = 5, 4, 2
_BOUNDS = {"hall": (1, 14), "torque": (4, 180), "minutes": (12, 600), "amount": (1_000, 99_999), "percent": (2, 48), "count": (3, 400)}
_BOUNDS |= {"size": (44, 50), "price": (40, 90_000)}
_ALONG, _ACROSS = 0.5, 0.15
"""How far a made vector is turned from a real one, against the spread of its subject, and against its own length: found by experiment."""


@cache
def _read(name: str) -> Any:  # noqa: ANN401 - lists of words
    """Return the words of a language, or the names of all; every value in braces is a fact that is drawn.

    Of a subject the sentence `key` always stands and holds the fact that is asked for, `asks_for`; of `others` a few are drawn.
    """
    return yaml.safe_load((Path(__file__).parents[2] / "corpus" / "generator" / f"{name}.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One generated document, and a question that only its facts answer."""

    id: str
    language: str
    chunks: tuple[Chunk, ...]
    question: str
    fact: str


def generate(seed: int, first: int = 0) -> Iterator[Generated]:
    """Yield documents without end, from number `first` on."""
    yield from (_document(seed, number) for number in itertools.count(first))


def generate_chunks(seed: int, count: int) -> tuple[list[Chunk], list[Generated]]:
    """Return exactly `count` generated chunks, and the documents they come from."""
    chunks, documents, more = list[Chunk](), list[Generated](), generate(seed)
    while len(chunks) < count:
        documents.append(next(more))
        chunks += documents[-1].chunks
    return chunks[:count], documents


def embedded_count(count: int) -> int:
    """Return how many of `count` generated chunks, from the first on, are embedded: 1 in 20, and 30 of each subject in each language."""
    return min(count, max(480, count // 20))


def make_vectors(chunks: Sequence[Chunk], embedded: Matrix, seed: int) -> Matrix:
    """Return a vector of length 1 for each chunk: the embedded ones, then for each other chunk a real one of its subject, turned a little.

    It is turned along what the real ones of that subject differ by, so that mean and covariance stay what they are, and a little at random,
    so that no two are equal: the smoothed bootstrap of Silverman and Young (1987), within each subject of each language.
    """
    draw, known = np.random.default_rng(seed), len(embedded)
    subjects = np.array([f"{chunk.language}/{chunk.section}" for chunk in chunks])
    vectors = np.concatenate([embedded, np.empty((len(chunks) - known, embedded.shape[1]), dtype=np.float32)])
    for subject in np.unique(subjects[known:]):
        rows = known + np.flatnonzero(subjects[known:] == subject)
        real = embedded[subjects[:known] == subject] if subject in subjects[:known] else embedded
        spread = real - real.mean(axis=0)
        basis = spread[:512]
        along = draw.standard_normal((len(rows), len(basis)), dtype=np.float32) @ basis / np.sqrt(len(basis))
        turned = (spread[draw.integers(len(real), size=len(rows))] + _ALONG * along) / np.sqrt(1 + _ALONG**2)
        vectors[rows] = real.mean(axis=0) + turned + _ACROSS * unit(draw.standard_normal((len(rows), embedded.shape[1]), dtype=np.float32))
    return unit(vectors)


def _document(seed: int, number: int) -> Generated:
    original = number - 1 if number % _NEAR_DUPLICATE_EVERY == _NEAR_DUPLICATE_EVERY - 1 else number
    draw, again = (random.Random(f"{seed}/{at}") for at in (original, number))  # noqa: S311 - reproducible sample text, nothing secret
    language = draw.choice(("en", "de"))
    words = _read(language)
    shared = {name: value for name, value in _facts(draw, original).items() if name in {"serial", "site", "person"}}
    sections = [(subject, _facts(draw, original) | shared) for subject in draw.sample(words["subjects"], _SECTIONS)]
    subject, facts = sections[0]
    title = draw.choice(words["titles"]).format_map(facts)
    bodies = [" ".join([each["key"], *draw.sample(each["others"], _OTHERS)]) for each, _ in sections]
    before = facts[subject["asks_for"]]
    while original != number and facts[subject["asks_for"]] == before:  # until it differs: an equal one would make an exact duplicate
        facts[subject["asks_for"]] = _facts(again, 0)[subject["asks_for"]]
    texts = {each["heading"]: body.format_map(known) for (each, known), body in zip(sections, bodies, strict=True)}
    identity, question = f"generated-{number:07d}", subject["question"].format_map(facts)
    digest = hashlib.sha256("\n".join([title, *texts, *texts.values()]).encode()).hexdigest()
    common: dict[str, Any] = {"document_id": identity, "title": title, "language": language, "sha256": digest, "generated": True}
    source = f"generated/{language}/{identity}"
    chunks = tuple(Chunk(section=heading, text=body, source=source, **common) for heading, body in texts.items())
    return Generated(id=identity, language=language, chunks=chunks, question=question, fact=facts[subject["asks_for"]])


def _facts(draw: random.Random, number: int) -> dict[str, str]:
    names = _read("names")
    return {
        "serial": f"{draw.choice('KLMPRSTX')}{draw.choice('ABCDEFGH')}-{number:06d}",
        "site": draw.choice(names["sites"]),
        "model": draw.choice(names["models"]),
        "person": f"{draw.choice(names['first_names'])} {draw.choice(names['last_names'])}",
        "company": draw.choice(names["companies"]),
        "week": str(draw.randint(1, 52)),
        "due": f"{draw.randint(2026, 2027)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
        "aisle": f"{draw.choice('ABCDEFGHJK')}{draw.randint(1, 60)}",
    } | {name: str(draw.randint(*bounds)) for name, bounds in _BOUNDS.items()}
