"""What other gate runs have left in Milvus is told, and left alone."""

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc  # type: ignore[import-untyped]  # generated without types
from typer.testing import CliRunner

from tests.validation.clients.test_target import OUTPUTS
from tests.validation.conftest import LAB
from tests.validation.services import Bucket, KubernetesApi
from validation.__main__ import app


class Milvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]  # generated without types
    """As much of Milvus as is asked before anything is stored; all else is answered UNIMPLEMENTED."""

    def __init__(self) -> None:
        self.collections: list[str] = []
        self.dropped: list[str] = []

    def Connect(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802 - the name that gRPC calls
        return milvus_pb2.ConnectResponse(server_info=common_pb2.ServerInfo(build_tags="2.3.5"))

    def GetVersion(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return milvus_pb2.GetVersionResponse(version="2.3.5")

    def ShowCollections(self, _request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        return milvus_pb2.ShowCollectionsResponse(collection_names=self.collections)

    def DropCollection(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.dropped.append(request.collection_name)
        return common_pb2.Status()


@pytest.fixture
def milvus() -> Milvus:
    return Milvus()


@pytest.fixture
def milvus_port(milvus: Milvus) -> Iterator[int]:
    """Serve Milvus on a free port of loopback."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(milvus, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(grace=5).wait()


@pytest.fixture
def bucket() -> Bucket:
    """Return a bucket that keeps other bytes than it is sent, so that a run ends where it starts to store."""
    return Bucket(corrupt=True)


@pytest.fixture
def target_file(tmp_path: Path, kubernetes_api: KubernetesApi, bucket_url: str, models_url: str, milvus_port: int) -> Path:
    kubernetes_api.add_secret("documents-s3", access_key="AKIDEXAMPLE", secret_key="very-secret")
    kubernetes_api.add_pod("milvus-0", "milvus:2.3.5", "sha256:abc")
    local = {"object_store_endpoint": bucket_url, "embedding_url": models_url, "llm_url": models_url}
    path = tmp_path / "target.json"
    path.write_text(json.dumps(OUTPUTS | local | {"milvus_uri": f"http://127.0.0.1:{milvus_port}"}))
    return path


def ingest_of(target: Path, corpus_dir: Path, out: Path) -> tuple[dict[str, Any], str]:
    """Run the gate; return the facts of its check `ingest`, and what it said."""
    arguments = (target, "--slo", LAB, "--corpus", corpus_dir, "--out", out)
    result = CliRunner().invoke(app, ["run", *map(str, arguments)])
    assert "reads back other bytes" in result.stdout
    check = json.loads((out / "report.json").read_text())["checks"][-1]
    assert check["name"] == "ingest"
    return check["facts"], result.output


def test_collections_of_other_runs_are_reported_told_in_one_line_and_left_alone(
    milvus: Milvus, target_file: Path, corpus_dir: Path, tmp_path: Path
) -> None:
    milvus.collections = ["gate_b", "documents", "gate_a"]
    facts, said = ingest_of(target_file, corpus_dir, tmp_path / "out")
    assert facts["collections of other runs"] == ["gate_a", "gate_b"]
    assert [line for line in said.splitlines() if "gate_a" in line and "gate_b" in line and "remove them: ./rag collections" in line]
    assert milvus.dropped == []


def test_the_command_that_is_told_removes_them_and_nothing_else(
    milvus: Milvus, target_file: Path, corpus_dir: Path, tmp_path: Path
) -> None:
    milvus.collections = ["gate_b", "documents", "gate_a"]
    _, said = ingest_of(target_file, corpus_dir, tmp_path / "out")
    told = re.search(r"remove them: \./rag (collections ENV .*)$", said, re.MULTILINE)
    assert told
    CliRunner().invoke(app, shlex.split(told[1].replace("ENV", str(target_file))))
    assert milvus.dropped == ["gate_a", "gate_b"]
    ended = CliRunner().invoke(app, ["collections", str(target_file), "--drop", "none"])
    assert (ended.exit_code, "there is no collection 'none'; there are: documents, gate_a, gate_b" in ended.stderr) == (2, True)


def test_nothing_is_said_when_no_other_run_left_anything(milvus: Milvus, target_file: Path, corpus_dir: Path, tmp_path: Path) -> None:
    milvus.collections = ["documents"]
    facts, said = ingest_of(target_file, corpus_dir, tmp_path / "out")
    assert facts["collections of other runs"] == []
    assert "other runs" not in said
