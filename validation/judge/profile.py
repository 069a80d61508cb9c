"""What a profile promises: typed, and refused where it could never be kept, never be missed or means nothing.

It owns the shape of `slo.<environment>.yaml`. Every number carries its unit and its reason, so that nobody has to guess why it is there.
"""

from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from validation.judge import contradictions
from validation.judge.criteria import Criteria, Criterion, Kind, flat, show, useless
from validation.judge.measures import CATALOGUE, Better, Measure


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Reason = Annotated[str, Field(min_length=10)]


class Objective(_Strict):
    """One promise: beyond `limit` the run fails, between `warn` and `limit` it warns."""

    sli: str
    """Filled in from the key that the objective stands under."""
    unit: str
    limit: Criteria
    warn: Criteria | None = None
    weight: int = Field(default=1, ge=1, le=100)
    """What it counts in the score."""
    key: bool = True
    """Whether missing it fails the run; one that is not key costs its weight of the score."""
    basis: Literal["promise", "calibrated"] = "promise"
    """Whether somebody decided on the number, or `calibrate` took it from runs on this environment."""
    reason: Reason

    @field_validator("sli")
    @classmethod
    def _is_judged(cls, sli: str) -> str:
        if not CATALOGUE:
            raise RuntimeError("no check is registered, so no measure has a name: import validation.checks before an SLO file is read")
        if sli not in CATALOGUE or CATALOGUE[sli].better is Better.NONE:
            promisable = [name for name, measure in CATALOGUE.items() if measure.better is not Better.NONE]
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
        measure = CATALOGUE.get(info.data.get("sli", ""))
        if criteria is None or measure is None:
            return criteria
        mistakes = [found for one in flat(criteria) if (found := _mistake(one, measure, is_limit=info.field_name == "limit"))]
        for found in [*mistakes, useless(criteria)]:
            if found:
                raise ValueError(found)
        return criteria

    @field_validator("warn")
    @classmethod
    def _warns_before_it_fails(cls, warn: Criteria | None, info: ValidationInfo) -> Criteria | None:
        limit = cast("Criteria | None", info.data.get("limit"))
        for one in flat(warn) if warn else []:
            alike = [other for other in flat(limit or ()) if other.kind is one.kind]
            if alike and not any(other.contains(one) for other in alike):
                raise ValueError(f'warn "{one}" must lie inside limit "{show(limit or ())}", or nobody would see it before the failure')
        return warn


def _mistake(one: Criterion, measure: Measure, *, is_limit: bool) -> str | None:
    """Return why the criterion is the wrong way round, can never be kept or can never be missed; None when it means something."""
    lower = measure.better is Better.LOWER
    side = "<=" if lower else ">="
    if one.operator != side:
        return f'{measure.name} is better when {measure.better}: write "{side} NUMBER", not "{one}"'
    if one.kind is not Kind.FIXED:
        ratchet = one.value < 0 if lower else one.value > 0
        return (
            f'"{one}" asks every run to be better than the one before, which ends in failure; write "{side} {-one.value:+g}..."'
            if ratchet
            else None
        )
    share = measure.unit == "share"
    if (not lower and share and one.value > 1) or (lower and not share and one.value == 0):
        return f'"{one}" can never be true: {measure.name} is {"a share of 1" if share else f"more than 0 {measure.unit}"}'
    if is_limit and ((lower and share and one.value >= 1) or (not lower and one.value == 0)):
        return f'"{one}" can never be missed: {measure.name} is {"a share of 1" if share else f"never below 0 {measure.unit}"}'
    return None


class Vectors(_Strict):
    """How many vectors the collection must hold for the promise to mean anything."""

    value: int = Field(ge=100)
    unit: Literal["vectors"]
    reason: Reason


class Rate(_Strict):
    """The constant rate that is offered."""

    value: float = Field(gt=0, le=10_000)
    unit: Literal["requests/s"]
    reason: Reason


_CANDIDATES = {"ef", "search_list", "itopk_size"}
"""Search parameters of HNSW, DISKANN and GPU_CAGRA that say how many candidates are kept."""


class Requests(_Strict):
    """How many searches are timed, after the warm-up."""

    value: int = Field(ge=100)
    unit: Literal["requests"]
    reason: Reason


class Index(_Strict):
    """The vector index and how it is searched, in Milvus's own words: names and values go to it as they are."""

    type: str = Field(min_length=1)
    metric: Literal["COSINE", "IP", "L2"]
    params: dict[str, bool | int | float | str] = {}
    search_params: dict[str, bool | int | float | str] = {}

    def searching(self, limit: int) -> dict[str, bool | int | float | str]:
        """How it is searched for `limit` rows: a list of candidates that is shorter than the answer is refused by Milvus."""
        return {name: max(int(value), limit) if name in _CANDIDATES else value for name, value in self.search_params.items()}


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

    index: Index | None = None
    """None for the one that the stack names (its output `milvus_index`)."""
    consistency: Literal["Strong", "Bounded", "Session", "Eventually"]
    timeout_ms: int = Field(ge=10)
    warmup_requests: int = Field(ge=0)
    filters: Annotated[list[Filter], Field(min_length=1)]
    queries: Queries

    @property
    def chosen_index(self) -> Index:
        """The index, once it is known from the file or from the stack."""
        if self.index is None:
            raise ValueError("the index is not chosen yet")
        return self.index

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


class Ingesting(_Strict):
    """The rate at which rows stream in while searches are timed, and for how long."""

    value: float = Field(gt=0, le=100_000)
    unit: Literal["vectors/s"]
    seconds: float = Field(default=6, ge=3, le=3_600)
    reason: Reason


class Load(_Strict):
    """How searches are sent."""

    arrivals: Literal["constant", "poisson"] = "constant"
    """Evenly, or as independent users come: in bursts, which is harder at the same rate."""
    processes: int = Field(default=1, ge=1, le=64)
    """Generators on this machine, started together; one sends about a thousand a second from a core of its own."""


class Score(_Strict):
    """What a weighted share of kept objectives is worth: from `pass_from` on PASS, from `warn_from` on WARN, below it FAIL."""

    pass_from: float = Field(gt=0, le=100)
    warn_from: float = Field(gt=0, le=100)
    unit: Literal["percent"]
    reason: Reason

    @field_validator("warn_from")
    @classmethod
    def _below(cls, warn_from: float, info: ValidationInfo) -> float:
        if warn_from > info.data.get("pass_from", 100):
            raise ValueError(f"warn_from must not lie above pass_from ({info.data['pass_from']:g}), or no score could be a WARN")
        return warn_from


class Profile(_Strict):
    """The promises of one environment."""

    version: Literal[1]
    profile: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    reason: Reason
    vectors: Vectors
    rate: Rate
    requests: Requests
    search: Search
    load: Load = Load()
    answer: Answer
    ingesting: Ingesting | None = None
    """Without it nothing is timed during ingest."""
    patience: Patience = Patience()
    score: Score | None = None
    """Without it every objective must hold, and one warning makes the run WARN."""
    objectives: dict[str, Objective]

    @field_validator("objectives", mode="before")
    @classmethod
    def _name_each(cls, objectives: object) -> object:
        if not isinstance(objectives, dict):
            return objectives
        return {name: {**body, "sli": name} if isinstance(body, dict) else body for name, body in objectives.items()}

    @field_validator("objectives")
    @classmethod
    def _agree(cls, objectives: dict[str, Objective], info: ValidationInfo) -> dict[str, Objective]:
        contradictions.refuse(objectives, info.data)
        return objectives
