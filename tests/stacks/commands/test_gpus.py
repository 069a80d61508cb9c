"""`./rag gpus`: what no node of a cluster can have is told before anybody waits for it."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from stacks.operations import cluster as clusters
from stacks.problems import SettingsError, UnansweredError
from tests.stacks.models.engines import case
from tests.validation.services import kubeconfig, serving

Command = Callable[..., tuple[int, str, str]]


Cluster = Callable[[list[dict[str, Any]] | None], AbstractContextManager[None]]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Serve a list of nodes, or refuse it, and point KUBECONFIG there."""
    return lambda nodes: served(nodes, tmp_path / "kubeconfig", monkeypatch)


@contextmanager
def served(nodes: list[dict[str, Any]] | None, path: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    answer = JSONResponse({"kind": "NodeList", "items": nodes}) if nodes is not None else JSONResponse({"reason": "Forbidden"}, 403)
    with serving(Starlette(routes=[Route("/api/v1/nodes", lambda _: answer)])) as address:
        path.write_text(kubeconfig(address))
        patch.setenv("KUBECONFIG", str(path))
        yield


@pytest.fixture
def wants_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shell's configuration of the lab ask for two NVIDIA-L4."""
    path = tmp_path / "Pulumi.lab.yaml"
    path.write_text(yaml.safe_dump({"config": {key: json.loads(text) for key, text in case("llm-vllm").items()}}))
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(path))
    monkeypatch.setenv("PULUMI_STACK", "lab")


def node(count: str) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    return {"metadata": {"name": "gpu-1", "labels": labels}, "status": {"allocatable": {"nvidia.com/gpu": count}}}


@pytest.mark.usefixtures("wants_gpus")
@pytest.mark.parametrize(
    ("nodes", "code", "words"),
    [
        ([node("2")], 0, "llm: 2 x nvidia.com/gpu of 'NVIDIA-L4': a node has them"),
        ([node("1")], 1, "gpu-1: has 1 x nvidia.com/gpu"),
        ([], 1, "the cluster has no node"),
    ],
)
def test_nodes_are_looked_at(command: Command, cluster: Cluster, nodes: list[dict[str, Any]], code: int, words: str) -> None:
    with cluster(nodes):
        found, said, _ = command("gpus", "lab")
    assert (found, words in said) == (code, True), said


@pytest.mark.usefixtures("wants_gpus")
def test_a_cluster_that_does_not_say_is_told(command: Command, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(None), pytest.raises(UnansweredError, match="answered 403 Forbidden"):
        clusters.nodes()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(SettingsError) as missing:
        command("gpus", "lab")
    assert missing.value.code == "cluster.kubeconfig"


def test_without_a_gpu_nobody_is_asked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    assert command("gpus", "lab")[:2] == (0, "no model service asks for a GPU\n")
