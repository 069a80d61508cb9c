"""Promises of the layout: found by the CLI, whole, and a host that serves wherever it is started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2_grpc

from lab.pulumi_host import PLUGIN, SHIMS, install
from lab.toolchain import PLUGIN as PLUGIN_VERSION


@pytest.fixture
def homes(tmp_path: Path) -> dict[str, Path]:
    """Builds, as far as they are looked at."""
    made = {name: tmp_path / "tools" / name for name in ("pulumi", "pulumi-kubernetes")}
    for path in (made["pulumi"] / "pulumi", *(made["pulumi"] / "python" / shim for shim in SHIMS), made["pulumi-kubernetes"] / PLUGIN.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
    for program in (made["pulumi"] / "pulumi", made["pulumi-kubernetes"] / PLUGIN.name):
        program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    return made


@pytest.fixture
def installed(tmp_path: Path, homes: dict[str, Path]) -> Path:
    install(homes, tmp_path / "bin", tmp_path / "home", Path(sys.executable))
    return tmp_path


@pytest.fixture
def host(installed: Path) -> Iterator[subprocess.Popen[str]]:
    """The language host, started in a folder of its own with a hostile module path."""
    (installed / "elsewhere").mkdir()
    (installed / "elsewhere" / "grpc.py").write_text("raise SystemExit('imported from the wrong place')")
    started = subprocess.Popen(
        [installed / "bin" / "pulumi-language-python", "127.0.0.1:1"],
        cwd=installed / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(installed / "elsewhere")},
        text=True,
        stdout=subprocess.PIPE,
    )
    yield started
    started.kill()
    started.communicate()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_lies_where_the_cli_looks_and_can_be_run(installed: Path) -> None:
    names = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
    assert all(
        os.access(path, os.X_OK) for path in [installed / "home" / "plugins" / PLUGIN, *(installed / "bin" / name for name in names)]
    )


def test_the_plugin_is_the_one_that_the_sdk_asks_for() -> None:
    assert metadata.version("pulumi-kubernetes") == PLUGIN_VERSION


def test_installing_again_changes_nothing_and_leaves_nothing_over(installed: Path, homes: dict[str, Path]) -> None:
    before = _files(installed)
    install(homes, installed / "bin", installed / "home", Path(sys.executable))
    assert _files(installed) == before


def test_another_version_of_the_plugin_and_a_download_that_was_killed_go(installed: Path, homes: dict[str, Path]) -> None:
    plugins = installed / "home" / "plugins"
    (plugins / "resource-kubernetes-v9.9.9").mkdir()
    (plugins / f"{PLUGIN.parent}.partial").touch()
    (plugins / PLUGIN).unlink()
    install(homes, installed / "bin", installed / "home", Path(sys.executable))
    assert [path.name for path in plugins.iterdir()] == [str(PLUGIN.parent)]
    assert (plugins / PLUGIN).exists()


def test_the_language_host_serves_from_any_folder(host: subprocess.Popen[str]) -> None:
    assert host.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{host.stdout.readline().strip()}") as channel:
        info = language_pb2_grpc.LanguageRuntimeStub(channel).GetPluginInfo(Empty())
    assert info.version == metadata.version("pulumi")


def test_the_language_host_ends_on_a_signal(host: subprocess.Popen[str]) -> None:
    assert host.stdout is not None
    assert int(host.stdout.readline())
    host.send_signal(signal.SIGINT)
    assert host.wait(timeout=30) == 0


def test_the_language_host_goes_when_its_engine_was_killed(installed: Path) -> None:
    script = f'"{installed / "bin" / "pulumi-language-python"}" 127.0.0.1:1 & wait'
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        assert int(engine.stdout.readline())
        engine.kill()
        assert engine.stdout.read() == ""  # ends when the last process that could write to it has ended
