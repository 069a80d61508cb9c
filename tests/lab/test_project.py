"""The configuration that `./rag up` writes again and again."""

from pathlib import Path
from typing import Any

import pytest

from lab.project import _kept, chart_settings, merged
from stacks.problems import SettingsError
from stacks.settings import parse
from tests.stacks.test_settings import GOOD, configuration

STORE, MILVUS = "milvus-x10000:object_store", "milvus-x10000:milvus"
REPOSITORY = "https://charts.example.test/milvus"


@pytest.mark.parametrize("before", [{}, {"config": {}}, {"config": {STORE: {"endpoint": "https://10.0.0.1"}}}])
def test_without_a_rotation_or_a_chart_nothing_is_kept(before: dict[str, object]) -> None:
    assert _kept(before) == {STORE: {}, MILVUS: {}}


def test_a_rotation_and_a_chart_outlive_the_next_make_up() -> None:
    rotated = {"credential_generation": 3, "revoked_generation": 2}
    chart = {"chart": "milvus", "chart_repository": REPOSITORY, "chart_version": "5.0.19"}
    before = {"config": {STORE: {**rotated, "endpoint": "https://10.0.0.1"}, MILVUS: {**chart, "memory_gib": 4}}}
    assert _kept(before) == {STORE: rotated, MILVUS: chart}


@pytest.mark.parametrize(
    ("asked", "version", "repository"),
    [
        (f"milvus@{REPOSITORY}", "5.0.19", REPOSITORY),
        ("oci://registry.example.test:5000/charts/milvus", "5.0.17", None),
        ("lab/chart/milvus", "0.1.0", None),
    ],
)
def test_a_chart_by_name_reference_or_path_is_what_the_stack_installs(asked: str, version: str, repository: str | None) -> None:
    chosen = chart_settings(asked, None if "://" not in asked else version)[MILVUS]
    earlier = {"chart": "milvus", "chart_repository": REPOSITORY, "chart_version": "5.0.17"}
    found = parse(configuration({**GOOD, "milvus": merged(earlier, chosen)})).milvus
    assert (found.resolved_chart_version(), found.resolved_chart_repository()) == (version, repository)


def test_a_version_that_was_not_tried_is_refused_and_without_a_chart_nothing_is_chosen() -> None:
    assert chart_settings(None, None) == {}
    with pytest.raises(SettingsError, match=r"4\.2\.48 is not one from 5\.0\.8"):
        parse(configuration({**GOOD, "milvus": chart_settings(f"milvus@{REPOSITORY}", "4.2.48")[MILVUS]}))


def test_a_path_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "milvus").mkdir()
    monkeypatch.chdir(tmp_path)
    chosen: dict[str, Any] = chart_settings("milvus", None)[MILVUS]
    assert chosen["chart"] == str(tmp_path / "milvus")
