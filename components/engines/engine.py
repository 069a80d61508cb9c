"""What every engine is told, and what it comes to: a container, its probes, its metrics.

No key is among it: an engine names the variable that it reads its API key from, and the pod fills that from a Secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

CACHE_PATH = "/cache"
"""Where the cache volume is: what a restart should not download or compile again."""

WEIGHTS_PATH = "/weights"
"""Where weights from a volume or a bucket are, read-only to the engine."""

TELEMETRY_OFF = {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""No engine tells anybody that it runs."""

HUB_OFF = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""Nothing is looked up on a hub, not even whether there is a newer version."""

Options = Mapping[str, str | int | float | bool]
"""Further options of an engine by their documented names without the dashes; true is a bare flag."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """Which model an engine serves, and how big it may get."""

    name: str
    """Name that requests carry."""
    location: str
    """Path in the pod, or repository on a hub."""
    revision: str = ""
    """Commit on a hub; "" for a path."""
    context_tokens: int = 0
    """Longest sequence; 0 leaves it to the model."""
    sequences: int = 1
    """Sequences at once."""
    gpus: int = 0
    gpu_memory_share: float = 0.9
    """Share of a GPU's memory that the engine takes."""
    kv_cache_type: str = ""
    """Type of the KV cache's values; "" leaves it to the engine."""
    cpu_cores: float = 1
    offline: bool = True
    """Never ask a hub."""
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How an image is run as a model service."""

    arguments: tuple[str, ...]
    port: int
    health_path: str
    """Answers 200 once the model is loaded, without a key."""
    api_path: str
    """Prefix of the OpenAI API."""
    command: tuple[str, ...] = ()
    """Instead of the image's entry point; () keeps that."""
    environment: Mapping[str, str] = field(default_factory=dict)
    key_variable: str = "API_KEY"
    """Environment variable that the engine reads its API key from."""
    queue_metric: str = ""
    """Prometheus gauge of requests that wait; "" where there is none."""
    metrics_path: str = ""
    """Where Prometheus reads, on the same port; "" where there is nothing to read."""
    shared_memory: bool = False
    """Processes of it talk through /dev/shm, of which a container has 64 MiB by itself."""


def flags(options: Options) -> tuple[str, ...]:
    """`{"dtype": "float16", "auto-truncate": True}` as arguments, in order of their names; False leaves the flag out."""
    arguments: list[str] = []
    for name, value in sorted(options.items()):
        if value is True:
            arguments.append(f"--{name}")
        elif value is not False:
            arguments += [f"--{name}", str(value)]
    return tuple(arguments)


def environment(model: Model, **more: str) -> dict[str, str]:
    """Variables that every engine with a hub client gets: caches on the cache volume, no telemetry, offline where it is asked for."""
    home = {"HOME": "/tmp", "HF_HOME": CACHE_PATH}  # noqa: S108  a path in the container
    return {**home, **TELEMETRY_OFF, **(HUB_OFF if model.offline else {}), **more}
