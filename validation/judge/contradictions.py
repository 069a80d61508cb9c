"""Objectives that each mean something, but not together: refused before anything is measured, at the line of the one that is in vain.

A promise that can never be missed is as false as one that can never be kept: it stands in the report as passed and was never asked.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic_core import PydanticCustomError

from validation.judge.criteria import Kind
from validation.judge.measures import CATALOGUE, Better

if TYPE_CHECKING:
    from validation.judge.profile import Objective

Objectives = Mapping[str, "Objective"]


def refuse(objectives: Objectives, profile: Mapping[str, Any]) -> None:
    """Raise what is wrong with the objectives together; `profile` holds the fields that stand above them, as far as they are right."""
    _refuse_incomplete(objectives)
    _refuse_unweighed(objectives, profile)
    _refuse_out_of_reach(objectives, profile)
    for lower, upper in _pairs(objectives):
        _refuse_implied(objectives, lower, upper)


def _refuse_at(at: tuple[str, ...], message: str) -> NoReturn:
    """`at` goes below the key `objectives`, so that the line of the objective itself is named."""
    raise PydanticCustomError("contradiction", "{message}", {"message": message, "at": at})


def _refuse_incomplete(objectives: Objectives) -> None:
    latency = any(name.startswith("search_p") for name in objectives)
    missing = [name for name in ("recall_at_10", "search_error_share") if name not in objectives]
    if not latency or missing:
        wanted = ", ".join(missing + ([] if latency else ["a latency of search (search_p95_ms)"]))
        _refuse_at((), f"objectives lack {wanted}: speed without recall or with errors is no promise")


def _refuse_unweighed(objectives: Objectives, profile: Mapping[str, Any]) -> None:
    for name, objective in objectives.items():
        if profile.get("score") is None and (objective.weight != 1 or not objective.key):
            word = "weight" if objective.weight != 1 else "key"
            _refuse_at(
                (name, word), f"{word} means nothing without a score; add score: {{pass_from: 100, warn_from: 90, ...}} or leave it out"
            )


def _refuse_out_of_reach(objectives: Objectives, profile: Mapping[str, Any]) -> None:
    timeout_ms = profile["search"].timeout_ms if "search" in profile else None
    rate = profile["rate"].value if "rate" in profile else None
    for name, objective in objectives.items():
        limit = _fixed(objective)
        _refuse_unasked_ingest(name, limit, profile)
        if limit is None:
            continue
        if timeout_ms is not None and name.startswith("search_p") and limit >= timeout_ms:
            _refuse_at((name, "limit"), f'"<= {limit:g}" can never be missed: a search ends after timeout_ms: {timeout_ms}')
        if rate is not None and name == "search_answered_rate" and limit > rate:
            _refuse_at((name, "limit"), f'">= {limit:g}" can never be true: no more than rate: {rate:g} is asked')


def _refuse_unasked_ingest(name: str, limit: float | None, profile: Mapping[str, Any]) -> None:
    if not name.startswith("during_ingest_") or "ingesting" not in profile:
        return
    ingesting = profile["ingesting"]
    if ingesting is None:
        _refuse_at((name,), f"{name} is never measured: the file names no rate at which rows stream in; add ingesting: {{value: 200, ...}}")
    if name == "during_ingest_rate" and limit is not None and limit > ingesting.value:
        _refuse_at((name, "limit"), f'">= {limit:g}" can never be true: no more than ingesting: {ingesting.value:g} is sent')


def _pairs(objectives: Objectives) -> Iterator[tuple[str, str]]:
    """Yield each measure with the next one that it is never above, as far as both have an objective."""
    for name in objectives:
        above = CATALOGUE[name].at_most
        while above and above not in objectives:
            above = CATALOGUE[above].at_most
        if above:
            yield name, above


def _refuse_implied(objectives: Objectives, lower: str, upper: str) -> None:
    low, high = _fixed(objectives[lower]), _fixed(objectives[upper])
    if low is None or high is None or low <= high:
        return
    in_vain, other = (lower, upper) if CATALOGUE[lower].better is Better.LOWER else (upper, lower)
    beside = f"{in_vain} can never be missed alone: {lower} is never above {upper}, and {other} promises {_fixed(objectives[other]):g}"
    _refuse_at((in_vain, "limit"), f"{beside}; make the limit of {lower} the lower one")


def _fixed(objective: "Objective") -> float | None:
    """Return the one fixed number that the limit holds the value to; None when there are alternatives or only relative ones."""
    found = [one.value for one in objective.limit[0] if one.kind is Kind.FIXED]
    return found[0] if found and len(objective.limit) == 1 else None
