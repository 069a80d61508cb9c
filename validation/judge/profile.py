"""The shape of `slo.<environment>.yaml`: every number carries its unit and its reason, so that nobody has to guess why it is there."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from validation.judge.objectives import Objective, Reason, Strict, refuse_contradictions

Parameters = dict[str, bool | int | float | str]
_CANDIDATES = {"ef", "search_list", "itopk_size"}  # search parameters of HNSW, DISKANN and GPU_CAGRA that say how many candidates are kept


class Vectors(Strict):
    """How many vectors the collection must hold for the promise to mean anything."""

    value: int = Field(ge=100)
    unit: Literal["vectors"]
    reason: Reason


class Rate(Strict):
    """The constant rate that is offered."""

    value: float = Field(gt=0, le=10_000)
    unit: Literal["requests/s"]
    reason: Reason


class Requests(Strict):
    """How many searches are timed, after the warm-up."""

    value: int = Field(ge=100)
    unit: Literal["requests"]
    reason: Reason


class Index(Strict):
    """The vector index and how it is searched, in Milvus's own words: names and values go to it as they are."""

    type: str = Field(min_length=1)
    metric: Literal["COSINE", "IP", "L2"]
    params: Parameters = Field(default_factory=dict)
    search_params: Parameters = Field(default_factory=dict)

    def searching(self, limit: int) -> Parameters:
        """How it is searched for `limit` rows: a list of candidates that is shorter than the answer is refused by Milvus."""
        return {name: max(int(value), limit) if name in _CANDIDATES else value for name, value in self.search_params.items()}


class Filter(Strict):
    """A share of the searches, and the scalar filter they carry; neither field means no filter."""

    share: float = Field(gt=0, le=1)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,8}$")  # a language code, or `own`: that of the query
    bucket_below: int | None = Field(default=None, ge=1, le=99)


class Queries(Strict):
    """Where the searches' vectors come from, as shares; uniform noise is not on offer, since it tells no index from another."""

    judged: float = Field(ge=0, le=1)
    generated: float = Field(ge=0, le=1)
    planted: float = Field(gt=0, le=1)


class Search(Strict):
    """How the collection is built and searched."""

    index: Index | None = None  # None for the one that the stack names (its output `milvus_index`)
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

    @field_validator("filters", "queries")
    @classmethod
    def _shares_add_up(cls, parts: list[Filter] | Queries) -> list[Filter] | Queries:
        total = sum(part.share for part in parts) if isinstance(parts, list) else parts.judged + parts.generated + parts.planted
        if abs(total - 1) > 1e-6:  # noqa: PLR2004 - rounding of decimal shares
            raise ValueError(f"the shares must add up to 1, these add up to {total:g}")
        return parts


class Answer(Strict):
    """How questions are asked."""

    sources: int = Field(ge=1, le=50)
    timeout_s: float = Field(gt=0)
    through: Literal["ask"] | None = None
    """None asks the language model about what the gate found; ask: the service of questions, which does both, as users are served."""


class Patience(Strict):
    """How long set-up may take before the run counts as not measurable."""

    searchable_s: float = Field(default=60, gt=0)
    indexed_s: float = Field(default=900, gt=0)
    loaded_s: float = Field(default=600, gt=0)


class Ingesting(Strict):
    """The rate at which rows stream in while searches are timed, and for how long."""

    value: float = Field(gt=0, le=100_000)
    unit: Literal["vectors/s"]
    seconds: float = Field(default=6, ge=3, le=3_600)
    reason: Reason


class Load(Strict):
    """How searches are sent."""

    arrivals: Literal["constant", "poisson"] = "constant"
    """Evenly, or as independent users come: in bursts, which is harder at the same rate."""
    processes: int = Field(default=1, ge=1, le=64)
    """Generators on this machine, started together; one sends about a thousand a second from a core of its own."""


class Score(Strict):
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


class Profile(Strict):
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
    ingesting: Ingesting | None = None  # without it nothing is timed during ingest
    patience: Patience = Patience()
    score: Score | None = None  # without it every objective must hold, and one warning makes the run WARN
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
        refuse_contradictions(objectives, info.data)
        return objectives
