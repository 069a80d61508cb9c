"""How long a limit kept this pod from its CPU: what a generator could not do then, it would report as latency of Milvus."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_VERSIONS = (("cpu.stat", "throttled_usec", 1e6), ("cpu/cpu.stat", "throttled_time", 1e9), ("cpu,cpuacct/cpu.stat", "throttled_time", 1e9))
"""File, key and unit per second: control groups 2, then 1 under its two names."""


def throttled_s(root: Path = ROOT) -> float | None:
    """Return the seconds since the pod began; None where the kernel keeps no such count here."""
    for name, key, per_second in _VERSIONS:
        try:
            counts = dict(line.split(maxsplit=1) for line in (root / name).read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            continue
        if key in counts:
            return int(counts[key]) / per_second
    return None
