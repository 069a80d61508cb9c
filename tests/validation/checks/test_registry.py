"""A check is one function, its rows in a table and the lines of an SLO file; everything else follows from how it registers itself."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tests.validation.conftest import LAB
from validation.checks import existing
from validation.checks.context import RunContext, unpromised
from validation.checks.gate import GATE
from validation.checks.registry import read_measures
from validation.checks.retrieval import SELECTIVITIES
from validation.judge.judgement import judge
from validation.judge.measures import CATALOGUE, Better, Measure
from validation.judge.profile import Profile
from validation.run.record import Facts, Record

DOCS = Path(__file__).parents[3] / "docs" / "gate.md"


def a_measure(name: str, unit: str) -> Measure:
    return Measure(name=name, unit=unit, better=Better.LOWER, meaning="Warmth")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Register a check that writes, after `quality`, and take it away again."""
    monkeypatch.setitem(GATE.measures, "heat", [a_measure("heat_k", "K")])

    @GATE.check(after="quality", writes="stores heat", skip=unpromised)
    def heat(run: RunContext, facts: Facts) -> None:
        """Does it get warm?"""  # noqa: D400 - a question
        facts["where"] = "everywhere"
        run.record.measure("heat_k", 3.0)

    yield heat.name
    del GATE.checks["heat"], CATALOGUE["heat_k"]


def promising_heat() -> Profile:
    content = yaml.safe_load(LAB.read_text(encoding="utf-8"))
    content["objectives"]["heat_k"] = {"unit": "K", "limit": "<= 5", "reason": "only for this test"}
    return Profile.model_validate(content)


def context(profile: Profile) -> RunContext:
    """Return a run of which only profile and record are asked."""
    return cast("RunContext", SimpleNamespace(profile=profile, record=Record(run_id="r", strict=False), closing=ExitStack()))


def test_a_new_check_is_asked_in_its_place_and_its_promise_is_judged(added: str) -> None:
    names = [check.name for check in GATE.ordered()]
    assert names.index("quality") < names.index(added) < names.index("isolation")
    run = context(promising_heat())
    GATE.checks[added](run)
    assert (run.record.checks[0].name, run.record.checks[0].facts) == ("heat", {"where": "everywhere"})
    judged = judge(run.profile, run.record.measurements, []).judged
    assert next(one.grade for one in judged if one.objective.sli == "heat_k") == "pass"


def test_a_new_check_that_nobody_promised_is_skipped_with_the_names_of_its_measures(added: str, profile: Profile) -> None:
    run = context(profile)
    GATE.checks[added](run)
    assert run.record.checks[0].facts == {"skipped": "the SLO file promises nothing about it (objectives heat_k)"}


def test_a_new_check_that_writes_is_left_out_of_a_run_that_reads_and_its_promise_is_named(added: str) -> None:
    record = Record(run_id="r", strict=False)
    judged = existing.judgeable(promising_heat(), record)
    assert "heat_k" not in judged.objectives
    assert (record.skipped[added], record.skipped["heat_k"]) == (
        "stores heat, and this run only reads",
        "cannot be measured without writing",
    )


@pytest.mark.parametrize("taken", ["quality", "heat"])
def test_a_name_or_a_measure_that_another_check_has_is_refused(taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_run: Any, _facts: Facts) -> None: ...

    nothing.__doc__ = "Is it there?"
    monkeypatch.setitem(GATE.measures, taken, [] if taken == "quality" else [a_measure("recall_at_10", "share")])
    nothing.__name__ = taken
    with pytest.raises(ValueError, match="registered already"):
        GATE.check()(nothing)


def test_the_measures_of_the_table_are_all_of_checks_that_exist() -> None:
    assert GATE.measures.keys() <= GATE.checks.keys()


def test_each_filter_that_is_tried_on_its_own_has_its_measures() -> None:
    assert {f"filter_{percent}_{of}" for percent in SELECTIVITIES for of in ("p50_ms", "p95_ms", "recall_at_10")} <= CATALOGUE.keys()


def test_a_latency_is_one_measure_for_each_percentile_and_none_is_above_the_next(tmp_path: Path) -> None:
    table = tmp_path / "measures.yaml"
    table.write_text("heat:\n  heat: {percentiles: [50, 99], at_most: other_p99_ms, meaning: Warming}\n", encoding="utf-8")
    first, second = read_measures(table)["heat"]
    assert (first.name, first.unit, first.min_samples, first.at_most) == ("heat_p50_ms", "ms", 2, "heat_p99_ms")
    assert (second.min_samples, second.at_most, second.meaning) == (100, "other_p99_ms", "Warming, 99th percentile")


def test_every_check_comes_after_one_that_exists_and_what_may_break_the_collection_comes_last() -> None:
    names = [check.name for check in GATE.ordered()]
    assert all(names.index(check.after) < names.index(check.name) for check in GATE.ordered() if check.after)
    assert (names[0], names[-1]) == ("reachable", "isolation")


def test_no_measure_of_a_check_that_reads_only_is_left_out_and_every_one_that_writes_is_named(profile: Profile) -> None:
    record = Record(run_id="r", strict=False)
    left_out = profile.objectives.keys() - existing.judgeable(profile, record).objectives.keys()
    by_reading = {measure.name for check in GATE.checks.values() if not check.writes for measure in check.measures}
    assert not left_out & by_reading
    assert {check.name for check in GATE.writing()} <= record.skipped.keys()


def test_a_measure_that_is_never_above_another_names_one_that_exists() -> None:
    assert {measure.at_most for measure in CATALOGUE.values()} - {""} <= CATALOGUE.keys()


def test_the_table_of_checks_in_the_documentation_is_that_of_the_registry() -> None:
    assert GATE.table() in DOCS.read_text(encoding="utf-8"), "renew it with: ./rag checks"


@pytest.mark.parametrize("question", [None, "", "Looks whether it is there.", "Looks.\n\nIs it there?"])
def test_a_check_without_a_question_is_refused(question: str | None) -> None:
    def nothing(_run: Any, _facts: Facts) -> None: ...

    nothing.__doc__ = question
    with pytest.raises(ValueError, match="the first line of its docstring is the question"):
        GATE.check()(nothing)
