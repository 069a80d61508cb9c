"""Prometheus and promtool for tests: those on PATH, else Debian's package in the lab's cache, unpacked and not installed."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.places import CACHE
from tests.s3_server import free_port

HOME = CACHE / "tools" / "debian-prometheus"
PATIENCE_S = 90


class Prometheus:
    """One that runs for a test, on loopback."""

    def __init__(self, port: int, home: Path) -> None:
        self.home = home
        self._address = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, promql: str) -> list[dict[str, Any]]:
        """Return the samples of an expression."""
        answer = httpx.get(f"{self._address}/query", params={"query": promql}, timeout=10)
        samples: list[dict[str, Any]] = answer.json()["data"]["result"]
        return samples

    def firing(self) -> set[str]:
        """Return what fires, as name and SLO."""
        return {f"{s['metric']['alertname']} {s['metric'].get('slo', '')}".strip() for s in self.ask('ALERTS{alertstate="firing"}')}


@contextmanager
def running(home: Path, jobs: Sequence[dict[str, Any]], groups: Sequence[dict[str, Any]] = ()) -> Iterator[Prometheus]:
    """Run one with these scrape jobs and groups of rules, each second."""
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (home / "rules.yaml").write_text(json.dumps({"groups": groups}))
    (home / "prometheus.yaml").write_text(json.dumps({"global": every, "rule_files": ["rules.yaml"], "scrape_configs": jobs}))
    port = free_port()
    command = [str(binary("prometheus")), "--config.file=prometheus.yaml", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "--storage.tsdb.path=data"], cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Prometheus(port, home)
    finally:
        process.terminate()
        process.wait(20)


def until(seen: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until something is seen; the test fails where it is not."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if seen():
                return
        time.sleep(0.5)
    pytest.fail(f"{what}: not within {within_s:g} s")


def binary(name: str) -> Path:
    """Return `prometheus` or `promtool`; the test is skipped where there is none and the package cannot be had."""
    on_path = shutil.which(name)
    if on_path is not None:
        return Path(on_path)
    unpacked = HOME / "usr" / "bin" / name
    if not unpacked.exists():
        _download()
    return unpacked


def _download() -> None:
    partial = HOME.with_name(f"{HOME.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "prometheus"]
    ended = subprocess.run(download, cwd=partial, capture_output=True, text=True, check=False)
    if ended.returncode:  # a new machine has no lists of packages yet
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        ended = subprocess.run(download, cwd=partial, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"no Prometheus on PATH, and its package cannot be had: {ended.stderr.strip()[-200:]}")
    (package,) = partial.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, partial], check=True)
    package.unlink()
    shutil.rmtree(HOME, ignore_errors=True)
    partial.rename(HOME)
