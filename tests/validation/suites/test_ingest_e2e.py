"""`ingest`, `--list` and `--remove` as an operator types them, against the lab's Milvus and its documents bucket."""

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.lab import Ended, Lab
from tests.validation.corpus.ingest import files
from validation.clients import kube
from validation.clients import target as targets
from validation.clients.connect import Connector
from validation.clients.documents import DocumentStore
from validation.corpus.ingest.pipeline import original_key
from validation.corpus.ingest.store import FolderCollection

pytestmark = pytest.mark.e2e


@dataclass
class Filled:
    """A folder, and the collection that it is ingested into."""

    lab: Lab
    target: Path
    folder: Path
    collection: FolderCollection
    documents: DocumentStore

    def ingest(self, *arguments: str, **environment: str) -> Ended:
        named = ("--collection", self.collection.name, "--slo", "validation/slo.lab.yaml", "--out", str(self.folder.parent / "out"))
        command = (sys.executable, "-m", "validation", "ingest", str(self.target), *named, *arguments)
        return self.lab.run(*command, environment=environment)

    def versions(self) -> dict[str, int]:
        """Return how many versions the bucket holds of each original."""
        begin, counts = original_key(self.collection.name, ""), dict[str, int]()
        for page in self.documents._s3.get_paginator("list_object_versions").paginate(Bucket=self.documents.bucket, Prefix=begin):
            for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                source = version["Key"].removeprefix(begin)
                counts[source] = counts.get(source, 0) + 1
        return counts

    def chunks(self) -> dict[str, int]:
        return {source: known.chunks for source, known in self.collection.known().items()}


@pytest.fixture
def filled(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    folder, target = tmp_path / "docs", tmp_path / "target.json"
    target.write_text(json.dumps(lab.outputs()))
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nOne.\n\n## B\n\nTwo.\n")
    (folder / "a.md.txt").write_text("Another, whose name begins alike.\n")
    (folder / "p.pdf").write_bytes(files.pdf("Words of page one.", ""))
    with ExitStack() as closing:
        connector = Connector(target=targets.read(str(target)), kubernetes=kube.connect(), closing=closing, secrets=[])
        collection = FolderCollection(connector.milvus(), f"ingest_test_{secrets.token_hex(4)}")
        made = Filled(lab, target, folder, collection, connector.documents())
        yield made
        monkeypatch.setenv("AWS_PROFILE", "lab-admin")
        for source in made.versions():
            made.documents.remove(original_key(collection.name, source))
        collection.collection.drop()


@pytest.mark.proof  # a minute: six commands; of the same, tests/validation/corpus/ingest/test_pipeline_e2e.py is the short test
def test_a_document_is_listed_and_removed_with_all_versions_of_its_original_and_the_others_stay(filled: Filled) -> None:
    first = filled.ingest(str(filled.folder), "--quiet")
    assert first.code == 0, first.output
    (filled.folder / "a.md").write_text("# A\n\nOne.\n\n## B\n\nThree.\n")
    second = filled.ingest(str(filled.folder), "--quiet")
    assert (second.code, "1 changed" in second.output) == (0, True), second.output
    assert filled.chunks() == {"a.md": 2, "a.md.txt": 1, "p.pdf": 1}
    assert filled.versions() == {"a.md": 2, "a.md.txt": 1, "p.pdf": 1}

    listed = filled.ingest("--list")
    assert listed.code == 0, listed.output
    assert [line.split() for line in listed.output.splitlines() if "chunks" in line] == [
        ["2", "chunks", "a.md"],
        ["1", "chunks", "a.md.txt"],
        ["1", "chunks", "p.pdf"],
    ]
    assert "note: no text on page 2" in listed.output

    refused = filled.ingest("--remove", "a.md")
    assert (refused.code, "AccessDenied" in refused.output) == (3, True), refused.output
    assert (filled.chunks()["a.md"], filled.versions()["a.md"]) == (2, 2), "the credential of the services may not delete"

    removed = filled.ingest("--remove", "a.md", AWS_PROFILE="lab-admin")
    assert removed.code == 0, removed.output
    assert "removed a.md: 2 chunks, 2 versions of its original" in removed.output
    assert filled.chunks() == {"a.md.txt": 1, "p.pdf": 1}
    assert filled.versions() == {"a.md.txt": 1, "p.pdf": 1}

    kept = filled.ingest("--remove", "p.pdf", "--no-originals")
    assert kept.code == 0, kept.output
    assert (filled.chunks(), filled.versions()) == ({"a.md.txt": 1}, {"a.md.txt": 1, "p.pdf": 1})


@pytest.mark.proof
def test_a_name_that_is_not_there_is_refused_and_nothing_is_removed(filled: Filled) -> None:
    assert filled.ingest(str(filled.folder), "--quiet").code == 0
    refused = filled.ingest("--remove", "a.md", "--remove", "b.md")
    assert refused.code == 2, refused.output
    assert f"{filled.collection.name} holds no document b.md" in refused.output
    assert filled.chunks().keys() == {"a.md", "a.md.txt", "p.pdf"}
    other = filled.ingest("--collection", "no_such", "--list")
    assert (other.code, "there is no collection no_such" in other.output) == (2, True), other.output
