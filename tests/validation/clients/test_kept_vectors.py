"""Vectors are kept by text and model, and never believed without asking."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.validation.services import vector
from validation.clients.passages import Chunk
from validation.clients.retrieval_models import KeptVectors
from validation.clients.vectors import Matrix


class Service:
    """Embeds, and remembers how many texts it was sent."""

    def __init__(self, turned: bool = False) -> None:
        self.texts: list[str] = []
        self.turned = turned

    def embed(self, chunks: Sequence[Chunk]) -> Matrix:
        self.texts += [chunk.passage for chunk in chunks]
        vectors = np.array([vector(chunk.passage, 16) for chunk in chunks], dtype=np.float32)
        return vectors[:, ::-1] if self.turned else vectors


def chunks(count: int) -> list[Chunk]:
    first = Chunk(document_id="d", title="t", section="s", language="en", source="d.md", sha256="0" * 64, text="")
    return [replace(first, text=f"text {number}") for number in range(count)]


def kept(folder: Path | str, service: Service, count: int, model: str = "m") -> KeptVectors:
    vectors = KeptVectors(str(folder), model)
    assert np.array_equal(vectors.embed(chunks(count), service.embed), Service(turned=service.turned).embed(chunks(count)))
    return vectors


def test_of_unchanged_texts_a_few_are_embedded_anew_and_new_ones_all(tmp_path: Path) -> None:
    assert kept(tmp_path, Service(), 100).embedded == 100
    assert 8 <= kept(tmp_path, Service(), 100).embedded <= 10
    assert 58 <= kept(tmp_path, Service(), 150).embedded <= 60


def test_another_model_shares_nothing(tmp_path: Path) -> None:
    kept(tmp_path, Service(), 20)
    assert kept(tmp_path, Service(), 20, model="another").embedded == 20


def test_where_another_model_answers_under_the_same_name_all_are_embedded_anew(tmp_path: Path) -> None:
    kept(tmp_path, Service(), 100)
    kept(tmp_path, Service(turned=True), 100)
    assert kept(tmp_path, Service(turned=True), 100).embedded < 20


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: bytes | None) -> None:
    kept(tmp_path, Service(), 20)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert kept(tmp_path, Service(), 20).embedded == 20


def test_without_a_folder_nothing_is_kept() -> None:
    assert [kept("", Service(), 20).embedded for _ in range(2)] == [20, 20]
