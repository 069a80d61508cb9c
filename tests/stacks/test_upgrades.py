"""Which step of an upgrade is next, which is none, and what its record keeps: pure, of the table as it stands."""

from pathlib import Path

import pytest

from components.milvus_foundation import UPGRADES, numbers, problems
from stacks.operations import leftovers, upgrades
from stacks.operations.upgrades import Upgrade
from stacks.problems import SettingsError

CHART = "5.0.25"


def image(version: str) -> str:
    return f"registry.acme.test/milvusdb/milvus:v{version}"


def planned(old: str, new: str, chart: str = CHART) -> list[str]:
    return [row["what"] for row in upgrades.plan((image(old), CHART), (image(new), chart))]


def upgrade(**more: object) -> Upgrade:
    given = {"environment": "t", "command": "./rag upgrade t", "changes": ["a=1"], "collection": "c", "corpus": "corpus"}
    return Upgrade(**{**given, **more})  # type: ignore[arg-type]  # of several kinds


@pytest.mark.parametrize(
    ("old", "new", "chart", "what"),
    [
        ("2.3.5", "2.4.24", CHART, ["Milvus 2.3 to 2.4"]),
        ("2.5.16", "2.6.21", CHART, ["Milvus 2.5 to 2.6"]),
        ("2.6.20", "3.0.1", CHART, ["Milvus 2.6 to 3.0"]),
        ("2.6.15", "2.6.99", CHART, ["Milvus, a newer version within one minor version"]),
        ("2.6.15", "2.6.16", "5.0.27", ["Milvus, a newer version within one minor version", "the chart"]),
        ("2.6.15", "2.6.15", "5.0.27", ["the chart"]),
        ("2.6.15", "2.6.15", CHART, ["the configuration"]),
    ],
)
def test_a_step_is_one_minor_version_a_patch_a_chart_or_a_configuration(old: str, new: str, chart: str, what: list[str]) -> None:
    assert planned(old, new, chart) == what


@pytest.mark.parametrize(
    ("old", "new", "chart", "code", "named"),
    [
        ("2.3.5", "2.5.27", CHART, "upgrade.skips", "--to 2.4.24"),
        ("2.5.15", "2.6.21", CHART, "upgrade.skips", "--to 2.5.16"),
        ("2.6.19", "3.0.1", CHART, "upgrade.skips", "--to 2.6.20"),
        ("2.5.20", "3.0.1", CHART, "upgrade.skips", "--to 2.6.22"),
        ("2.6.21", "2.6.20", CHART, "upgrade.back", "milvus:v2.6.20"),
        ("2.6.21", "2.5.27", CHART, "upgrade.back", "milvus:v2.5.27"),
        ("2.6.21", "2.6.21", "5.0.24", "upgrade.back", "chart 5.0.24"),
        ("2.6.21", "2.7.0", CHART, "upgrade.unknown", "2.3, 2.4, 2.5, 2.6, 3.0"),
        ("2.6.21", "4.0.0", CHART, "upgrade.unknown", "milvus:v4.0.0"),
        ("2.2.9", "2.3.5", CHART, "upgrade.unknown", "milvus:v2.2.9"),
        ("2.6.21", "3.0.1", "5.0.27", "upgrade.chart", CHART),
    ],
)
def test_what_is_not_one_step_is_refused_with_what_to_type(old: str, new: str, chart: str, code: str, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        planned(old, new, chart)
    assert refused.value.code == code
    assert named in str(refused.value)


@pytest.mark.parametrize(("running", "wanted"), [("milvus@sha256:0", image("2.6.21")), (image("2.6.21"), "milvus:latest")])
def test_an_image_that_shows_no_version_is_no_step(running: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as refused:
        upgrades.plan((running, CHART), (wanted, CHART))
    assert refused.value.code == "upgrade.unknown"


def test_what_lies_ahead_ends_at_the_newest_that_is_known() -> None:
    assert [row["minor"] for row in upgrades.ahead(image("2.3.5"))] == ["2.4", "2.5", "2.6", "3.0"]
    assert upgrades.ahead(image("3.0.1")) == []


def test_every_fact_has_a_source_and_says_whether_it_was_tried() -> None:
    rows = [*UPGRADES["ahead"], UPGRADES["patch"], UPGRADES["chart"], UPGRADES["configuration"]]
    assert all({"changes", "source", "tried"} <= row["says"].keys() for row in rows)
    assert [row["what"] for row in rows if "cannot be undone" in row["says"]] == [row["what"] for row in UPGRADES["ahead"]]


@pytest.mark.parametrize("row", [row for row in UPGRADES["ahead"] if "least" in row], ids=lambda row: row["minor"])
def test_pulumi_refuses_the_step_that_the_plan_refuses(row: dict[str, str]) -> None:
    kept = dict.fromkeys(("wal", "etcd", "bucket", "root_path", "mode"), "x") | {"migration": 0}
    (*first, last), before = numbers(row["least"]), row["minor"] + ".0"
    assert problems({**kept, "version": row["least"]}, {**kept, "version": before}) == []
    assert problems({**kept, "version": ".".join(map(str, [*first, last - 1]))}, {**kept, "version": before})


def test_what_an_upgrade_changed_is_put_back_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings, lock = tmp_path / "Pulumi.t.yaml", tmp_path / "images.t.lock"
    settings.write_text("config: {a: 0} # why\n")
    record = upgrade()
    record.keep(settings, lock)
    settings.write_text("config: {a: 1}\n")
    lock.write_text("new")
    record.keep(settings, lock)
    going = upgrades.read("t")
    assert going == record
    going.put_back()
    assert (settings.read_text(), lock.exists()) == ("config: {a: 0} # why\n", False)


def test_settings_that_somebody_edited_meanwhile_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings, other = tmp_path / "Pulumi.t.yaml", tmp_path / "images.t.lock"
    for path in (settings, other):
        path.write_text("0")
    record = upgrade()
    record.keep(settings, other)
    for path in (settings, other):
        path.write_text("1")
    record.keep(settings, other)
    settings.write_text("2")
    with pytest.raises(SettingsError) as refused:
        record.put_back()
    assert refused.value.code == "upgrade.edited"
    assert (settings.read_text(), other.read_text()) == ("2", "1")


def test_one_that_was_killed_is_named_by_the_doctor_with_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.getpid", lambda: 2**22 + 1)  # of nobody
    record = upgrade(command="./rag upgrade t --to 2.6.22 --collection handbook")
    record.keep(tmp_path / "none")
    assert leftovers._unfinished("t") == {record.note: record.command}
    assert leftovers._unfinished("u") == {}
