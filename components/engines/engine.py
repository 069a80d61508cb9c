"""What an engine is: the program that serves a model, what it can be told, and what of it cannot work. Pure.

Whatever differs between engines is a member of its class, with one instance in `components.engines.ENGINES`. No key is among them: an
engine names the variable that it reads its API key from, and the pod fills that from a Secret. Options are known by the versions whose
source was read (docs/models.md); what lies between or after those is allowed and reported as not judged.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml

from components.memory import Load, Shape, shortage

CACHE_PATH = "/cache"  # where the cache volume is: what a restart should not download or compile again
WEIGHTS_PATH = "/weights"  # where weights from a volume or a bucket are, read-only to the engine
TELEMETRY_OFF = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}  # no engine reports to anybody that it runs
HUB_OFF = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # nothing is looked up on a hub, not even whether there is a newer version
Options = Mapping[str, str | int | float | bool]
"""Further options of an engine by their documented names without the dashes; true is a bare flag."""
Role = Literal["embedding", "llm", "reranker"]
Version = tuple[int, ...]
_KEY_OPTIONS = {"api-key", "api-key-file", "hf-api-token", "hf-token"}
_PARTS_OF_VERSION = 3
_SAME_IN_CONTAINER = ("port", "command", "key_variable", "queue_metric", "metrics_path", "shared_memory")
_TABLES = yaml.safe_load(Path(__file__).with_name("engines.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Model:
    """Which model an engine serves, from where, and how big it may get."""

    role: Role
    name: str  # name that requests carry
    location: str = ""  # path in the pod, or repository on a hub; "" where the engine has its own
    source: str = ""  # image, volume, bucket or hub; "" without weights
    file: str = ""  # the one file of a volume or a bucket, "" for a folder
    size_gib: float = 0
    revision: str = ""  # commit on a hub; "" for a path
    offline: bool = True  # never ask a hub
    version: Version | None = None  # version of the engine, by the tag of its image; None where the tag does not show it
    context_tokens: int = 0  # longest sequence; 0 leaves it to the model
    sequences: int = 1
    kv_cache_type: str = ""  # type of the KV cache's values; "" leaves it to the engine
    shape: Shape | None = None
    cpu_cores: float = 1
    memory_gib: float = 0
    gpus: int = 0
    gpu_memory_gib: float = 0  # memory of one GPU
    gpu_memory_share: float = 0.9  # share of a GPU's memory that the engine takes
    scales_by_queue: bool = False
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Container:
    """How an image is run as a model service."""

    arguments: tuple[str, ...]
    port: int
    health_path: str  # answers 200 once the model is loaded, without a key
    api_path: str  # prefix of the OpenAI API
    command: tuple[str, ...] = ()  # instead of the image's entry point; () keeps that
    environment: Mapping[str, str] = field(default_factory=dict)
    key_variable: str = "API_KEY"  # environment variable that the engine reads its API key from
    queue_metric: str = ""  # Prometheus gauge of requests that wait; "" where there is none
    metrics_path: str = ""  # where Prometheus reads, on the same port; "" where there is nothing to read
    shared_memory: bool = False  # its processes talk through /dev/shm, of which a container has 64 MiB by itself


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a model cannot be served so."""

    code: str  # such as `models.option_unknown`
    setting: str  # the setting that is wrong, below the one of the service
    text: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.text}"


def model_problem(row: str, **words: object) -> Problem:
    """Return a problem as problems.yaml has it in `row`."""
    return Problem(**{key: text.format(**words) for key, text in _problems()[row].items()})


@cache
def _problems() -> dict[str, dict[str, str]]:
    """Read the table once something is wrong: every command imports this."""
    return dict(yaml.safe_load(Path(__file__).with_name("problems.yaml").read_text(encoding="utf-8")))


class Engine:
    """An engine; a subclass says what differs, and `arguments` how its image is started."""

    name: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    repository: ClassVar[str] = "?"  # part of the name of its images; a tag of any other image says nothing about the engine's version
    tag: ClassVar[re.Pattern[str]] = re.compile(r"(?:.*-)?v?(?P<version>\d+\.\d+(?:\.\d+)?)(?:-.*)?")
    """Tag of its images, with the group `version`."""
    version_prefix: ClassVar[str] = ""
    port: ClassVar[int] = 8080
    command: ClassVar[tuple[str, ...]] = ()
    key_variable: ClassVar[str] = "API_KEY"
    queue_metric: ClassVar[str] = ""
    metrics_path: ClassVar[str] = "/metrics"
    shared_memory: ClassVar[bool] = False
    needs_weights: ClassVar[bool] = True
    ignores: ClassVar[Mapping[str, str]] = {}  # settings that would have no effect, each with the reason
    sets: ClassVar[Mapping[str, str]] = {}  # flags that the stack sets itself, each with the setting that they come from
    options: ClassVar[Mapping[Version, frozenset[str]]] = {}
    """Options that an operator may give, by the versions whose source was read, oldest first; the oldest is the oldest that works."""
    kv_cache_types: ClassVar[Mapping[str, float]] = {}  # bytes a value, by type

    def container(self, model: Model) -> Container:
        """Return how the image of this engine is run to serve `model`."""
        same: dict[str, Any] = {name: getattr(self, name) for name in _SAME_IN_CONTAINER}
        asked: dict[str, Any] = {"health_path": "/health", "api_path": self.api_path(model.role)}
        return Container(arguments=self.arguments(model), environment=self.environment(model), **asked, **same)

    def arguments(self, model: Model) -> tuple[str, ...]:
        """Return the arguments of the container."""
        raise NotImplementedError

    def environment(self, _model: Model) -> dict[str, str]:
        """Return variables besides the key."""
        return {}

    def api_path(self, _role: Role) -> str:
        """Return the prefix of the API."""
        return "/v1"

    def needs(self, _model: Model) -> dict[str, float]:
        """Return what takes memory besides weights and KV cache, in GiB."""
        return {}

    def version(self, repository: str, tag: str | None) -> Version | None:
        """Return the version that the tag of an image shows, three numbers; None where it shows none."""
        match = self.tag.fullmatch(tag or "") if self.repository in repository else None
        parts = [int(part) for part in match["version"].split(".")] if match is not None else []
        return (*parts, *[0] * (_PARTS_OF_VERSION - len(parts))) if parts else None

    def shown(self, version: Version) -> str:
        """Return a version as its project writes it."""
        return self.version_prefix + ".".join(map(str, version))

    def problems(self, model: Model) -> Iterator[Problem]:
        """Yield everything that cannot work; an engine adds its own."""
        if self.needs_weights and not model.source:
            yield model_problem("weights_missing", engine=self.name)
        if self.options and model.version is not None and model.version < (oldest := min(self.options)):
            yield model_problem("version", engine=self.name, is_=self.shown(model.version), needed=self.shown(oldest))
        for name, value in sorted(model.options.items()):
            yield from self._option_problems(name, value, model.version)
        yield from self._memory_problems(model)

    def notes(self, model: Model) -> Iterator[str]:
        """Yield what could not be judged, and what an operator should know."""
        if not self.options:
            return
        oldest, newest = min(self.options), max(self.options)
        if model.version is None:
            yield f"the tag of its image shows no version of {self.name}: options are not judged by version, {self.shown(oldest)} is needed"
        elif model.version > newest:
            yield f"{self.name} {self.shown(model.version)} is newer than {self.shown(newest)}, the newest that was read: not judged"
        between = [name for name in sorted(model.options) if self._knows(name, model.version) is None and model.version is not None]
        if between and model.version is not None and model.version <= newest:
            yield f"whether {self.name} {self.shown(model.version)} knows {', '.join(between)} was not read: not judged"

    def false_as(self, _name: str) -> tuple[str, ...] | None:
        """Return the arguments that switch an option off; None where leaving it out is the only way."""
        return None

    def flags(self, options: Options) -> tuple[str, ...]:
        """Return `{"dtype": "float16", "enforce-eager": True}` as arguments, in order of their names."""
        arguments = list[str]()
        for name, value in sorted(options.items()):
            given = (f"--{name}",) if value is True else (f"--{name}", str(value))
            arguments += (self.false_as(name) or ()) if value is False else given
        return tuple(arguments)

    def _option_problems(self, name: str, value: object, version: Version | None) -> Iterator[Problem]:
        every, about = frozenset[str]().union(*self.options.values()), {"engine": self.name, "name": name}
        if name in _KEY_OPTIONS:
            yield model_problem("option_key", **about)
        elif not every:
            yield model_problem("no_options", **about)
        elif name in self.sets:
            yield model_problem("option_set", by=self.sets[name], **about)
        elif name not in every:
            close = difflib.get_close_matches(name, every, n=1)
            guess = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(sorted(every))}"
            yield model_problem("option_unknown", guess=guess, **about)
        elif version is not None and self._knows(name, version) is False:
            knowing = ", ".join(self.shown(read) for read, names in self.options.items() if name in names)
            yield model_problem("option_version", is_=self.shown(version), knowing=knowing, **about)
        elif value is False and self.false_as(name) is None:
            negated = f", or write no-{name}: true" if any(f"no-{name}" in names for names in self.options.values()) else ""
            yield model_problem("option_false", negated=negated, **about)

    def _knows(self, name: str, version: Version | None) -> bool | None:
        """Whether a version knows an option; None between two that were read and differ, beyond the newest, or without a version."""
        if version is None or version > max(self.options):
            return None
        below = [names for read, names in self.options.items() if read <= version][-1:]
        above = [names for read, names in self.options.items() if read >= version][:1]
        known = {name in names for names in (*below, *above)}
        return known.pop() if len(known) == 1 else None

    def _memory_problems(self, model: Model) -> Iterator[Problem]:
        if model.role != "llm" or not self.kv_cache_types:
            return
        if model.kv_cache_type and model.kv_cache_type not in self.kv_cache_types:
            yield model_problem("kv_cache_type", type=model.kv_cache_type, engine=self.name, known=", ".join(self.kv_cache_types))
        if model.shape is None:
            yield model_problem("shape", engine=self.name)
            return
        width = self.kv_cache_types.get(model.kv_cache_type, 2.0)
        load = Load(context_tokens=model.context_tokens, sequences=model.sequences, bytes_per_value=width, gpus=max(model.gpus, 1))
        available, what, setting = model.memory_gib, "memory_gib of the pod", "memory_gib"
        if model.gpus:
            available = model.gpus * model.gpu_memory_gib * model.gpu_memory_share
            what, setting = f"{model.gpus} x {model.gpu_memory_gib:g} GiB of GPU, of which {model.gpu_memory_share:.0%} are used", "gpu"
        if reason := shortage(model.shape, load, available, what, self.needs(model)):
            yield model_problem("memory", setting=setting, shortage=reason)


def read_tables(engine: str) -> tuple[dict[Version, frozenset[str]], dict[str, str], dict[str, float]]:
    """Return `options`, `sets` and `kv_cache_types` of an engine from engines.yaml."""
    table = _TABLES[engine]
    known = {
        tuple(map(int, version.split("."))): frozenset(f"{table['options']} {more}".split()) for version, more in table["versions"].items()
    }
    return known, table["sets"], table.get("kv_cache_types", {})


def hub_environment(model: Model, **more: str) -> dict[str, str]:
    """Return the variables of an engine with a hub client: caches on the cache volume, no telemetry, offline where that is asked for."""
    home = {"HOME": "/tmp", "HF_HOME": CACHE_PATH}  # noqa: S108  a path in the container
    return {**home, **TELEMETRY_OFF, **(HUB_OFF if model.offline else {}), **more}
