"""Prometheus and promtool for tests: those on PATH, else Debian's package in the lab's cache, unpacked and not installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.places import CACHE

HOME = CACHE / "tools" / "debian-prometheus"


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
