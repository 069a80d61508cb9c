"""Promises of the layout: found by the CLI, complete or absent, running wherever it is started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2_grpc, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from lab.errors import LabError
from lab.pulumi_host.install import install
from lab.pulumi_host.kubernetes.wire import dump

PLUGIN = f"plugins/resource-kubernetes-v{metadata.version('pulumi-kubernetes')}/pulumi-resource-kubernetes"

Start = Callable[[Path], tuple[str, subprocess.Popen[str]]]
"""Starts an executable; its address and process."""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The folder `python` of Pulumi's Go module, as far as it is copied."""
    folder = tmp_path / "module"
    for part, name in (("cmd", "pulumi-language-python-exec"), ("dist", "pulumi-resource-pulumi-python")):
        (folder / part).mkdir(parents=True)
        (folder / part / name).write_text("#!/bin/sh\n")
    return folder


@pytest.fixture
def installed(tmp_path: Path, module: Path) -> Path:
    install(tmp_path / "home", tmp_path / "bin", Path(sys.executable), module)
    return tmp_path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an executable in a folder of its own, with a hostile module path; its address and process."""
    running: list[subprocess.Popen[str]] = []
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "grpc.py").write_text("raise SystemExit('imported from the wrong place')")
    (tmp_path / "tmp").mkdir()

    def _start(program: Path) -> tuple[str, subprocess.Popen[str]]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "elsewhere"), "TMPDIR": str(tmp_path / "tmp")}
        child = subprocess.Popen(
            [program, "127.0.0.1:1"],
            cwd=tmp_path / "elsewhere",
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.append(child)
        assert child.stdout is not None
        return f"127.0.0.1:{child.stdout.readline().strip()}", child

    yield _start
    for child in running:
        child.kill()
        child.communicate()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_lies_where_the_cli_looks_and_can_be_run(installed: Path) -> None:
    names = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
    assert all(os.access(path, os.X_OK) for path in [installed / "home" / PLUGIN, *(installed / "bin" / name for name in names)])


def test_installing_again_changes_nothing_and_leaves_nothing_over(installed: Path, module: Path) -> None:
    before = _files(installed)
    install(installed / "home", installed / "bin", Path(sys.executable), module)
    assert _files(installed) == before


def test_a_damaged_plugin_is_repaired(installed: Path, module: Path) -> None:
    plugin = installed / "home" / PLUGIN
    plugin.unlink()
    (plugin.parent.parent / f"{plugin.parent.name}.partial").touch()
    install(installed / "home", installed / "bin", Path(sys.executable), module)
    assert plugin.exists()
    assert [path.name for path in (installed / "home" / "plugins").iterdir()] == [plugin.parent.name]


def test_a_damaged_go_module_is_named_with_its_cure_before_anything_is_written(tmp_path: Path, module: Path) -> None:
    (module / "cmd" / "pulumi-language-python-exec").unlink()
    with pytest.raises(LabError) as caught:
        install(tmp_path / "home", tmp_path / "bin", Path(sys.executable), module)
    assert "go clean -modcache" in caught.value.cure
    assert not (tmp_path / "bin").exists()


def test_the_language_host_serves_from_any_folder(installed: Path, start: Start) -> None:
    address, _child = start(installed / "bin" / "pulumi-language-python")
    with grpc.insecure_channel(address) as channel:
        info = language_pb2_grpc.LanguageRuntimeStub(channel).GetPluginInfo(Empty())
    assert info.version == metadata.version("pulumi")


def test_the_plugin_serves_says_what_it_cannot_and_leaves_no_file(installed: Path, start: Start) -> None:
    address, child = start(installed / "home" / PLUGIN)
    with grpc.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Construct(pb.ConstructRequest(type="kubernetes:helm.sh/v4:Chart"))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "official kubernetes plugin" in (caught.value.details() or "")
        refused = stub.CheckConfig(pb.CheckRequest(news=dump({"renderYamlToDirectory": "out"})))
        assert [failure.property for failure in refused.failures] == ["renderYamlToDirectory"]
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 0
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert list((installed / "tmp").iterdir()) == []


def test_without_a_cluster_one_error_says_what_to_do(installed: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(installed / "none"))
    address, _child = start(installed / "home" / PLUGIN)
    with grpc.insecure_channel(address) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(pb.ConfigureRequest(args=dump({})))
        with pytest.raises(grpc.RpcError, match=r"configured Kubernetes cluster is unreachable.*KUBECONFIG"):
            stub.Check(pb.CheckRequest(type="kubernetes:core/v1:ConfigMap", name="c", news=dump({"metadata": {"name": "c"}})))


def test_the_plugin_goes_when_its_engine_was_killed(installed: Path) -> None:
    script = f'"{installed / "home" / PLUGIN}" 127.0.0.1:1 & wait'
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        assert int(engine.stdout.readline())
        engine.kill()
        assert engine.stdout.read() == ""  # ends when the last process that could write to it has ended
