"""What a profile promises: typed, and refused where it could never be kept, never be missed or means nothing.

It owns the shape of `slo.<environment>.yaml`. Every number carries its unit and its reason, so that nobody has to guess why it is there.
"""

import re
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from validation.measures import CATALOGUE, Better, Measure

_PROMISABLE: dict[str, Measure] = {name: measure for name, measure in CATALOGUE.items() if measure.better is not Better.NONE}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(_Strict):
    """`<= 50` or `>= 0.95`: a side and a number."""

    operator: Literal["<=", ">="]
    value: float

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, data: object) -> object:
        if not isinstance(data, str):
            return data
        found = re.fullmatch(r"(<=|>=) *(\d+(?:\.\d+)?)", data.strip())
        if not found:
            raise ValueError('expected "<= NUMBER" or ">= NUMBER", like "<= 50"')
        return {"operator": found[1], "value": float(found[2])}

    def holds(self, value: float) -> bool:
        """Whether the value keeps the criterion; the limit itself still does."""
        return value <= self.value if self.operator == "<=" else value >= self.value

    def contains(self, other: "Criterion") -> bool:
        """Whether everything that keeps `other` keeps this one too."""
        return self.operator == other.operator and self.holds(other.value)

    def __str__(self) -> str:
        return f"{self.operator} {self.value:g}"


Reason = Annotated[str, Field(min_length=10)]


class Objective(_Strict):
    """One promise: beyond `limit` the run fails, between `warn` and `limit` it warns."""

    sli: str
    """Filled in from the key that the objective stands under."""
    unit: str
    limit: Criterion
    warn: Criterion | None = None
    reason: Reason

    @field_validator("sli")
    @classmethod
    def _is_judged(cls, sli: str) -> str:
        if sli not in _PROMISABLE:
            raise ValueError(f"{sli} is not a number that can be promised; these are: {', '.join(_PROMISABLE)}")
        return sli

    @field_validator("unit")
    @classmethod
    def _is_its_unit(cls, unit: str, info: ValidationInfo) -> str:
        measure = _PROMISABLE.get(info.data.get("sli", ""))
        if measure and unit != measure.unit:
            raise ValueError(f"{measure.name} is measured in {measure.unit}, not in {unit}")
        return unit

    @field_validator("limit")
    @classmethod
    def _can_be_missed(cls, limit: Criterion, info: ValidationInfo) -> Criterion:
        measure = _PROMISABLE.get(info.data.get("sli", ""))
        side = "<=" if measure and measure.better is Better.LOWER else ">="
        if measure and limit.operator != side:
            raise ValueError(f'{measure.name} is better when {measure.better}: write "{side} NUMBER", not "{limit}"')
        return limit

    @field_validator("warn")
    @classmethod
    def _warns_before_it_fails(cls, warn: Criterion | None, info: ValidationInfo) -> Criterion | None:
        limit = cast("Criterion | None", info.data.get("limit"))
        if warn and limit and not limit.contains(warn):
            raise ValueError(f'warn "{warn}" must lie inside limit "{limit}", or nobody would see it before the failure')
        return warn


class Vectors(_Strict):
    """How many vectors the collection must hold for the promise to mean anything."""

    value: int = Field(ge=1_000)
    unit: Literal["vectors"]
    reason: Reason


class Rate(_Strict):
    """The constant rate that is offered."""

    value: float = Field(gt=0, le=10_000)
    unit: Literal["requests/s"]
    reason: Reason


class Requests(_Strict):
    """How many searches are timed, after the warm-up."""

    value: int = Field(ge=100)
    unit: Literal["requests"]
    reason: Reason


class Index(_Strict):
    """The vector index, as Milvus spells it."""

    type: Literal["HNSW"] = "HNSW"
    metric: Literal["COSINE", "IP"] = "COSINE"
    m: int = Field(ge=2, le=2048)
    ef_construction: int = Field(ge=8)


class Filter(_Strict):
    """A share of the searches, and the scalar filter they carry; neither field means no filter."""

    share: float = Field(gt=0, le=1)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,8}$")
    """A language code, or `own`: that of the query."""
    bucket_below: int | None = Field(default=None, ge=1, le=99)


class Queries(_Strict):
    """Where the searches' vectors come from, as shares; uniform noise is not on offer, since it tells no index from another."""

    judged: float = Field(ge=0, le=1)
    generated: float = Field(ge=0, le=1)
    planted: float = Field(gt=0, le=1)


def _refuse_unless_one(shares: list[float]) -> None:
    if abs(sum(shares) - 1) > 1e-6:  # noqa: PLR2004 - rounding of decimal shares
        raise ValueError(f"the shares must add up to 1, these add up to {sum(shares):g}")


class Search(_Strict):
    """How the collection is built and searched."""

    index: Index
    ef: int = Field(ge=10)
    consistency: Literal["Strong", "Bounded", "Session", "Eventually"]
    timeout_ms: int = Field(ge=10)
    warmup_requests: int = Field(ge=0)
    filters: Annotated[list[Filter], Field(min_length=1)]
    queries: Queries

    @field_validator("filters")
    @classmethod
    def _filters_add_up(cls, filters: list[Filter]) -> list[Filter]:
        _refuse_unless_one([chosen.share for chosen in filters])
        return filters

    @field_validator("queries")
    @classmethod
    def _queries_add_up(cls, queries: Queries) -> Queries:
        _refuse_unless_one([queries.judged, queries.generated, queries.planted])
        return queries


class Answer(_Strict):
    """How questions are asked."""

    sources: int = Field(ge=1, le=50)
    timeout_s: float = Field(gt=0)


class Patience(_Strict):
    """How long set-up may take before the run counts as not measurable."""

    searchable_s: float = Field(default=60, gt=0)
    indexed_s: float = Field(default=900, gt=0)
    loaded_s: float = Field(default=600, gt=0)


class Profile(_Strict):
    """The promises of one environment."""

    version: Literal[1]
    profile: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    reason: Reason
    vectors: Vectors
    rate: Rate
    requests: Requests
    search: Search
    answer: Answer
    patience: Patience = Patience()
    objectives: dict[str, Objective]

    @field_validator("objectives", mode="before")
    @classmethod
    def _name_each(cls, objectives: object) -> object:
        if not isinstance(objectives, dict):
            return objectives
        return {name: {**body, "sli": name} if isinstance(body, dict) else body for name, body in objectives.items()}

    @model_validator(mode="after")
    def _complete(self) -> "Profile":
        latency = any(name.startswith("search_p") for name in self.objectives)
        missing = [name for name in ("recall_at_10", "search_error_share") if name not in self.objectives]
        if not latency or missing:
            wanted = ", ".join(missing + ([] if latency else ["a latency of search (search_p95_ms)"]))
            raise ValueError(f"objectives lack {wanted}: speed without recall or with errors is no promise")
        return self
