"""Objectives: each typed and refused where it could never be kept, never be missed or means nothing, and then all of them together.

A promise that can never be missed is as false as one that can never be kept: it stands in the report as passed and was never asked.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from validation.judge.criteria import Criteria, Criterion, Kind, flat, show, useless
from validation.judge.errors import text_of
from validation.judge.measures import CATALOGUE, Better, Measure

Reason = Annotated[str, Field(min_length=10)]
_CALL_S = 60.0  # what the gate waits for one call to a model, or to Milvus without a load: see the clients


class Strict(BaseModel):
    """A part of an SLO file: a key that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Objective(Strict):
    """One promise: beyond `limit` the run fails, between `warn` and `limit` it warns."""

    sli: str  # filled in from the key that the objective stands under
    unit: str
    limit: Criteria
    warn: Criteria | None = None
    weight: int = Field(default=1, ge=1, le=100)  # what it counts in the score
    key: bool = True  # whether missing it fails the run; one that is not key costs its weight of the score
    basis: Literal["promise", "calibrated"] = "promise"
    """Whether somebody decided on the number, or `calibrate` took it from runs on this environment."""
    reason: Reason

    @field_validator("sli")
    @classmethod
    def _is_judged(cls, sli: str) -> str:
        if not CATALOGUE:
            raise RuntimeError("no check is registered, so no measure has a name: import validation.checks.gate before an SLO file is read")
        if sli in CATALOGUE and CATALOGUE[sli].is_invariant:
            raise ValueError(f"{sli} is judged in every run, with zero tolerance, whatever an SLO file says; leave it out")
        if sli not in CATALOGUE or CATALOGUE[sli].better is Better.NONE:
            promisable = [name for name, each in CATALOGUE.items() if each.better is not Better.NONE and not each.is_invariant]
            raise ValueError(f"{sli} is not a number that can be promised; these are: {', '.join(promisable)}")
        return sli

    @field_validator("unit")
    @classmethod
    def _is_its_unit(cls, unit: str, info: ValidationInfo) -> str:
        measure = CATALOGUE.get(info.data.get("sli", ""))
        if measure and unit != measure.unit:
            raise ValueError(f"{measure.name} is measured in {measure.unit}, not in {unit}")
        return unit

    @field_validator("limit", "warn")
    @classmethod
    def _decides_something(cls, criteria: Criteria | None, info: ValidationInfo) -> Criteria | None:
        measure, is_limit = CATALOGUE.get(info.data.get("sli", "")), info.field_name == "limit"
        if criteria is None or measure is None:
            return criteria
        mistakes = [*(_mistake(each, measure, is_limit=is_limit) for each in flat(criteria)), useless(criteria)]
        if mistake := next(filter(None, mistakes), ""):
            raise PydanticCustomError("cannot_bind" if "never be missed" in mistake else "mistaken", "{message}", {"message": mistake})
        return criteria

    @field_validator("warn")
    @classmethod
    def _warns_before_it_fails(cls, warn: Criteria | None, info: ValidationInfo) -> Criteria | None:
        limit = cast("Criteria | None", info.data.get("limit"))
        for criterion in flat(warn) if warn else []:
            alike = [other for other in flat(limit or ()) if other.kind is criterion.kind]
            if alike and not any(other.contains(criterion) for other in alike):
                inside = f'must lie inside limit "{show(limit or ())}"'
                raise ValueError(f'warn "{criterion}" {inside}, or nobody would see it before the failure')
        return warn


def zero_tolerance(measure: Measure) -> Objective:
    """Return the objective of an invariant; it has no weight, since no score forgives it."""
    limit = ((Criterion(operator="<=", value=0.0),),)
    why = "an answer that breaks this is wrong, however good the averages are"
    return Objective.model_construct(sli=measure.name, unit=measure.unit, limit=limit, weight=0, reason=why)


def _mistake(criterion: Criterion, measure: Measure, *, is_limit: bool) -> str | None:
    """Return why the criterion is the wrong way round, can never be kept or can never be missed; None when it means something."""
    side, unit, value = ("<=" if measure.better is Better.LOWER else ">="), measure.unit, criterion.value
    is_share, is_relative = unit == "share", criterion.kind is not Kind.FIXED
    most, missed = 1.0 if is_share else math.inf, f'"{criterion}" can never be missed: {measure.name} is'
    if criterion.operator != side:
        return f'{measure.name} is better when {measure.better}: write "{side} NUMBER", not "{criterion}"'
    if is_relative and (is_limit or value):
        if value < 0 if side == "<=" else value > 0:
            return f'"{criterion}" asks every run to be better than the one before, which ends in failure; write "{side} {-value:+g}..."'
        return f"{missed} never worse than that, whatever the baseline was" if _is_beyond(criterion, is_share=is_share) else None
    if not is_relative and (value > most if side == ">=" else value == 0 and not is_share):
        return f'"{criterion}" can never be true: {measure.name} is {"a share of 1" if is_share else f"more than 0 {unit}"}'
    if not is_relative and is_limit and (value == 0 if side == ">=" else value >= most):
        return f"{missed} {'a share of 1' if is_share else f'never below 0 {unit}'}"
    return None


def _is_beyond(criterion: Criterion, *, is_share: bool) -> bool:
    return criterion.value <= -100 if criterion.kind is Kind.PERCENT else is_share and abs(criterion.value) >= 1  # noqa: PLR2004 - percent


def refuse_contradictions(objectives: Mapping[str, Objective], profile: Mapping[str, Any]) -> None:
    """Raise what is wrong with the objectives together; `profile` holds the fields that stand above them, as far as they are right."""
    latency = [] if any(name.startswith("search_p") for name in objectives) else ["a latency of search (search_p95_ms)"]
    missing = [*(name for name in ("recall_at_10", "search_error_share") if name not in objectives), *latency]
    if missing:
        _refuse_at((), f"objectives lack {', '.join(missing)}: speed without recall or with errors is no promise")
    for name, objective in objectives.items():
        if profile.get("score") is None and (objective.weight != 1 or not objective.key):
            word = "weight" if objective.weight != 1 else "key"
            _refuse_at((name, word), text_of("slo.no_score", word=word))
    _refuse_out_of_reach(objectives, profile)
    for lower in objectives:
        upper = CATALOGUE[lower].at_most
        while upper and upper not in objectives:
            upper = CATALOGUE[upper].at_most
        low, high = _fixed(objectives[lower]), _fixed(objectives[upper]) if upper else None
        if low is None or high is None or low <= high:
            continue
        in_vain, other = (lower, upper) if CATALOGUE[lower].better is Better.LOWER else (upper, lower)
        beside = f"{in_vain} can never be missed alone: {lower} is never above {upper}, and {other} promises {_fixed(objectives[other]):g}"
        _refuse_at((in_vain, "limit"), f"{beside}; make the limit of {lower} the lower one")


def _refuse_at(at: tuple[str, ...], message: str, kind: Literal["contradiction", "cannot_bind"] = "contradiction") -> NoReturn:
    """`at` goes below the key `objectives`, so that the line of the objective itself is named."""
    raise PydanticCustomError(kind, "{message}", {"message": message, "at": at})


def _refuse_out_of_reach(objectives: Mapping[str, Objective], profile: Mapping[str, Any]) -> None:
    asked = {"search_answered_rate": ("rate", "asked"), "during_ingest_rate": ("ingesting", "sent")}
    for name, objective in objectives.items():
        fixed = [each.value for each in flat(objective.limit) if each.kind is Kind.FIXED]
        if name.startswith("during_ingest_") and profile.get("ingesting", "") is None:
            _refuse_at((name,), text_of("slo.no_ingesting", name=name))
        for pattern, most, why in _ceilings(profile):
            if re.fullmatch(pattern, name) and fixed and max(fixed) >= most:
                _refuse_at((name, "limit"), f'"<= {max(fixed):g}" can never be missed: {why}', "cannot_bind")
        key, done = asked.get(name, ("", ""))
        limit = _fixed(objective)
        if key in profile and limit is not None and limit > (most := profile[key].value):
            _refuse_at((name, "limit"), f'">= {limit:g}" can never be true: no more than {key}: {most:g} is {done}')


def _ceilings(profile: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Return which measures are never above which number, and why: nothing is waited for any longer."""
    ceilings = [(r"(embedding|rerank|dense|sparse|hybrid)_p\d+_ms|cold_\w+_ms", _CALL_S * 1e3, f"such a call ends after {_CALL_S:g} s")]
    if "search" in profile:
        most = profile["search"].timeout_ms
        ceilings += [(r"(search|filter_\d+|growing|sealed|during_ingest)_p\d+_ms", most, f"a search ends after timeout_ms: {most}")]
    if "answer" in profile:
        most = profile["answer"].timeout_s
        ceilings += [(r"(first_token|answer)_p\d+_ms", most * 1e3, f"an answer ends after timeout_s: {most:g}")]
    if "patience" in profile:
        waits = (("searchable_s", 1), ("indexed_s", 1), ("load_s", 1), (r"freshness_p\d+_ms", 1e3))
        for (measures, unit), name in zip(waits, ("searchable_s", "indexed_s", "loaded_s", "searchable_s"), strict=True):
            most = getattr(profile["patience"], name)
            ceilings += [(measures, most * unit, f"the gate waits no longer than patience.{name}: {most:g}")]
    return ceilings


def _fixed(objective: Objective) -> float | None:
    """Return the one fixed number that the limit holds the value to; None when there are alternatives or only relative ones."""
    values = [criterion.value for criterion in objective.limit[0] if criterion.kind is Kind.FIXED]
    return values[0] if values and len(objective.limit) == 1 else None
