import hashlib
from pathlib import Path

import numpy as np
import pytest

from lab.services.fit import fit
from lab.services.model import EmbeddingModel
from validation.corpus.documents import read_corpus

CORPUS = Path(__file__).parents[3] / "corpus"


def test_fitting_twice_writes_the_same_bytes(passages_file: Path, tmp_path: Path) -> None:
    fit(passages_file, 64).save(tmp_path / "first.npz")
    fit(passages_file, 64).save(tmp_path / "second.npz")
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert len(digests) == 1


def test_the_model_is_named_after_its_dimension_and_names_its_corpus_as_the_gate_does(model: EmbeddingModel) -> None:
    assert model.card.name == "lab-char-svd-512"
    assert model.card.corpus_sha256 == read_corpus(CORPUS).sha256


def test_a_saved_model_encodes_as_the_fitted_one_did(model: EmbeddingModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.npz")
    loaded = EmbeddingModel.load(tmp_path / "model.npz")
    texts = ["How much can a Lynx 40 pull?", "Besuch im Werk Kassel anmelden"]
    assert loaded.card == model.card
    assert np.array_equal(loaded.encode(texts), model.encode(texts))


def test_every_vector_has_unit_length_whatever_the_text(model: EmbeddingModel) -> None:
    vectors = model.encode(["Hotels", "日本語の文書", "!", "x" * 8192, "\ud800"])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_gets_the_same_vector_alone_and_in_a_batch(model: EmbeddingModel) -> None:
    texts = [f"Section {number} of the travel policy" for number in range(40)]
    assert np.allclose(model.encode(texts)[17], model.encode([texts[17]])[0], atol=1e-6)


def test_texts_in_an_unknown_script_stay_equal_to_themselves_and_far_from_each_other(model: EmbeddingModel) -> None:
    vectors = model.encode(["창고", "창고", "운반차"])
    likeness = vectors @ vectors.T
    assert likeness[0, 1] == pytest.approx(1, abs=1e-5)
    assert abs(likeness[0, 2]) < 0.4


def test_words_inside_chinese_and_japanese_sentences_are_recognised(model: EmbeddingModel) -> None:
    asked, answered, other = model.encode(["充电桩的接地电阻", "接地电阻不大于 4 欧", "培训中心的访客请提前预约"])
    assert asked @ answered > asked @ other + 0.1
    asked, answered, other = model.encode(["駆動チェーンの給油", "チェーンには油をさします。給油は駆動側から", "寮の家賃は月払いです"])
    assert asked @ answered > asked @ other + 0.1


def test_parts_of_german_compounds_are_recognised(model: EmbeddingModel) -> None:
    whole, part, other = model.encode(["Bremsmagnete", "der Magnet der Bremse", "Besucherausweis"])
    assert whole @ part > whole @ other + 0.1


def test_a_dimension_above_the_rank_is_refused_with_the_largest_possible(passages_file: Path, tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text("".join(passages_file.read_text().splitlines(keepends=True)[:12]))
    with pytest.raises(ValueError, match=r"fewer than the dimension 512.*use --dimension \d+ or less"):
        fit(tmp_path / "few.jsonl", 512)
    with pytest.raises(ValueError, match="at least one coordinate"):
        fit(passages_file, 0)


@pytest.mark.parametrize("damage", ["", "no JSON", '{"corpus_sha256": "0"}', '{"corpus_sha256": "0"}\n{"title": "no text"}'])
def test_what_holds_no_passages_is_refused_by_name_with_the_command_that_makes_them(tmp_path: Path, damage: str) -> None:
    (tmp_path / "passages.jsonl").write_text(damage)
    with pytest.raises(ValueError, match=r"passages\.jsonl: .*python -m validation passages CORPUS_DIR"):
        fit(tmp_path / "passages.jsonl", 512)


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04cut short"])
def test_a_damaged_model_is_refused_with_the_command_that_makes_one(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="services fit PASSAGES_FILE"):
        EmbeddingModel.load(path)


def test_a_truncated_model_is_refused(model: EmbeddingModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.npz")
    whole = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        EmbeddingModel.load(tmp_path / "model.npz")
