"""Backup and restore against a Milvus in this process and a real S3 server: equal content, or a named refusal."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
from typer.testing import CliRunner

from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE
from tests.validation import lite
from tests.validation.services import KubernetesApi
from tests.validation.stand import write_target
from validation.__main__ import app
from validation.backup import command, content
from validation.backup.bucket import Manifest, same_bucket
from validation.backup.content import Line, Rows, cut, decode, encode

pytestmark = pytest.mark.e2e  # a real S3 server, which the lab's tools have

ROWS = 700
OUTPUTS = {
    "namespace": "rag",
    "documents_bucket": "documents",
    "documents_secret_name": "documents",
    "object_store_region": "us-east-1",
    "embedding_url": "http://127.0.0.1:9/v1",
    "embedding_model": "tiny",
    "embedding_dimension": 8,
    "llm_url": "http://127.0.0.1:9/v1",
    "llm_model": "tiny",
    "milvus_bucket": "milvus",
}


def row(number: int) -> dict[str, Any]:
    vector = np.random.default_rng(number).standard_normal(8).astype(np.float32)
    return {"id": number * 7919, "text": f"row {number} „é“\n\t🚚", "more": {"n": [number]}, "score": number / 3, "vector": vector}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_server.Server]:
    s3_server.require()
    root = tmp_path_factory.mktemp("s3")
    with ExitStack() as running:
        yield s3_server.start(running, root, certificates.make(root), posix=())


@dataclass
class Place:
    """A Milvus with a collection `docs`, an empty bucket, and the commands."""

    client: MilvusClient
    bucket: Path
    home: Path
    arguments: list[str]

    def run(self, command: str, *more: str, code: int = 0) -> str:
        shutil.rmtree(self.home / "out", ignore_errors=True)
        out = [] if "--list" in more else ["--out", str(self.home / "out")]
        done = CliRunner().invoke(app, [command, str(self.home / "target.json"), "--quiet", *self.arguments, *out, *more])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert getattr(done.exception, "outcome", None), repr(done.exception)
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    def report(self, command: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.home / "out" / f"{command}.json").read_text())
        return report

    def objects(self, kind: str) -> list[Path]:
        return sorted((self.bucket / "milvus-x10000/rag/default" / kind).glob("*"))

    def lines(self, name: str) -> list[Line]:
        rows = Rows(self.client, "", name)
        shape = rows.shape()
        return [line for partition in shape.readable for line in rows.lines(shape, partition)]


@pytest.fixture
def place(tmp_path: Path, store: s3_server.Server, kubernetes_api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    assert kubernetes_api
    monkeypatch.setattr(command, "_UNFINISHED", tmp_path / "unfinished")
    monkeypatch.setattr(content.cut, "__defaults__", (100, 32 << 20))  # parts of a hundred rows
    name = f"backups-{len(list(store.buckets.iterdir()))}"
    (store.buckets / name).mkdir()
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "access_key").write_text(PROFILE + "\n")
    (tmp_path / "key" / "secret_key").write_text(ADMIN_KEY)
    (tmp_path / "ca.crt").write_text(store.ca_pem)
    with lite.milvus(tmp_path / "milvus") as (_, uri):
        write_target(tmp_path, OUTPUTS | {"milvus_uri": uri, "object_store_endpoint": store.endpoint})
        client = MilvusClient(uri=uri)
        make(client, "docs")
        client.insert("docs", [row(number) for number in range(ROWS)])
        given = {"--endpoint": store.endpoint, "--bucket": name, "--credential-dir": tmp_path / "key", "--ca-file": tmp_path / "ca.crt"}
        yield Place(client, store.buckets / name, tmp_path, [str(part) for pair in given.items() for part in pair])
        client.close()


def make(client: MilvusClient, name: str) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True, description="some documents")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=200)
    schema.add_field("more", DataType.JSON)
    schema.add_field("score", DataType.DOUBLE)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 8, "efConstruction": 32})
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong")


def test_what_was_backed_up_comes_back_row_by_row_also_after_a_wipe(place: Place) -> None:
    assert f"{ROWS} rows of 1 collections" in place.run("backup")
    before = place.lines("docs")
    assert "docs_2: 700 rows, 0 of them there before, every one equal to the backup" in place.run("restore", "--into", "docs_2")
    restored = place.report("restore")["restored"][0]
    assert (restored["source"], restored["recall"] >= 0.95, restored["source_recall"] >= 0.95) == ("holds the same rows", True, True)
    assert place.lines("docs_2") == before
    for name in ("docs", "docs_2"):
        place.client.drop_collection(name)
    assert "docs: 700 rows" in place.run("restore", "--all")
    assert place.lines("docs") == before
    assert [(index.type, index.metric) for index in Rows(place.client, "", "docs").shape().indexes] == [("HNSW", "COSINE")]


def test_a_second_backup_writes_only_the_parts_that_changed(place: Place) -> None:
    place.run("backup")
    parts = len(place.objects("parts"))
    assert parts > 3
    place.run("backup")
    assert place.report("backup")["parts"] == {"written": 0, "written_bytes": 0, "reused": parts}
    place.client.insert("docs", [row(1_000)])
    place.run("backup")
    assert place.report("backup")["parts"]["written"] == 1


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_damaged_or_missing_part_is_named_and_refused_before_anything_is_written(place: Place, damage: str) -> None:
    place.run("backup")
    victim = place.objects("parts")[1]
    body = victim.read_bytes()
    victim.unlink() if damage == "missing" else victim.write_bytes(body[:-9] + bytes(9))
    refused = place.run("restore", "--into", "docs_2", code=3)
    assert victim.name in refused.replace("\n", "")
    assert not place.client.has_collection("docs_2")
    assert victim.name in place.run("backup", "--verify", code=1).replace("\n", "")
    assert "1 written" in place.run("backup") if damage == "missing" else "0 written" in place.run("backup")
    place.run("backup", "--full")
    assert "all read" in place.run("backup", "--verify")


def test_a_restore_that_was_killed_goes_on_and_a_foreign_row_is_left_alone(place: Place) -> None:
    place.run("backup")
    make(place.client, "docs_2")
    shape, lines = Rows(place.client, "", "docs").shape(), place.lines("docs")
    place.client.insert("docs_2", [decode(line.text, shape) for line in lines[40:333]])
    assert "docs_2: 700 rows, 293 of them there before" in place.run("restore", "--into", "docs_2")
    assert place.lines("docs_2") == lines
    place.client.delete("docs_2", ids=[lines[5].key])
    place.client.insert("docs_2", [row(5_000)])
    before = place.lines("docs_2")
    assert f"its row {5_000 * 7919} is not of the backup" in place.run("restore", "--into", "docs_2", code=2)
    assert place.lines("docs_2") == before


@pytest.mark.parametrize("killed_before", ["create_index", "load_collection"])
def test_a_restore_that_was_killed_while_it_made_the_collection_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, killed_before: str
) -> None:
    place.run("backup")
    shape = Rows(place.client, "", "docs").shape()
    with monkeypatch.context() as patch:
        patch.setattr(MilvusClient, killed_before, Mock(side_effect=SystemExit("killed")))
        with pytest.raises(SystemExit):
            Rows(place.client, "", "docs_2").create(shape)
    assert "docs_2: 700 rows, 0 of them there before" in place.run("restore", "--into", "docs_2")


def test_keep_deletes_older_backups_and_only_parts_that_none_needs(place: Place) -> None:
    place.run("backup", "--label", "first")
    first = {path.name for path in place.objects("parts")}
    foreign = place.bucket / "milvus-x10000/rag/default/parts/notes.txt"
    foreign.write_text("somebody's")
    place.client.delete("docs", filter="id < 3000000")
    place.run("backup", "--label", "second")
    assert "1 older backups deleted" in place.run("backup", "--keep", "2")
    place.run("backup", "--keep", "1")
    assert foreign.exists()
    assert not first <= {path.name for path in place.objects("parts")}
    listed = json.loads(place.run("backup", "--list", "--json"))
    assert [(each["label"], each["collections"]) for each in listed] == [("", ["docs"])]
    assert "all read" in place.run("backup", "--verify")


def test_a_bucket_of_the_stack_itself_is_refused(place: Place) -> None:
    place.arguments[3] = "milvus"
    assert "is the stack's own" in place.run("backup", code=2)


def test_nothing_of_a_password_or_key_is_in_the_manifest_or_the_report(place: Place) -> None:
    printed = place.run("backup")
    manifest = place.objects("runs")[0].read_text()
    assert Manifest.model_validate_json(manifest).milvus
    assert not [text for text in (printed, manifest, json.dumps(place.report("backup"))) if ADMIN_KEY in text]


def test_a_bucket_is_the_same_whatever_the_address_looks_like() -> None:
    assert same_bucket("https://s3.example.net", "b", "https://s3.example.net:443/", "b")
    assert not same_bucket("https://s3.example.net", "b", "https://other.example.net", "b")


def test_a_new_row_changes_one_part_and_parts_are_about_as_long_as_asked_for() -> None:
    lines = [Line(number, b"x") for number in range(100_000)]
    parts = list(cut(lines, 1_000))
    assert 70 < len(parts) < 140
    changed = list(cut([*lines[:5_000], Line(5_000, b"y"), *lines[5_001:]], 1_000))
    assert sum(part not in parts for part in changed) == 1
    assert max(len(part) for part in cut(lines, 10**9, 500)) == 500


def test_a_row_is_the_same_line_again(place: Place) -> None:
    shape = Rows(place.client, "", "docs").shape()
    line = encode(row(3), shape)
    assert encode(decode(line.text, shape), shape) == line
