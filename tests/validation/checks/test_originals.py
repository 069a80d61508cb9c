"""Originals on a real S3 server with versions: a citation leads to what was read, or is red."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, Server
from validation.clients.documents import Credential, DocumentStore, Original
from validation.corpus.citation import Citation, citation_of, citation_problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.e2e

BODY = b"Forklifts give way to people."
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    s3_server.require()
    root = tmp_path_factory.mktemp("originals")
    with ExitStack() as stack:
        yield s3_server.start(stack, root, certificates.make(root))


@pytest.fixture(scope="module")
def ca_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "ca.crt"
    path.write_text(server.ca_pem)
    return path


@pytest.fixture(scope="module")
def s3(server: Server, ca_file: Path) -> Iterator["S3Client"]:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=PROFILE,
        aws_secret_access_key=ADMIN_KEY,
        verify=str(ca_file),
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def store(server: Server, s3: "S3Client", ca_file: Path) -> DocumentStore:
    s3.create_bucket(Bucket="documents")
    s3.put_bucket_versioning(Bucket="documents", VersioningConfiguration={"Status": "Enabled"})
    return documents(server, ca_file, "documents")


def documents(server: Server, ca_file: Path, bucket: str) -> DocumentStore:
    credential = Credential(access_key=PROFILE, secret_key=ADMIN_KEY)
    return DocumentStore(endpoint=server.endpoint, region="us-east-1", bucket=bucket, credential=credential, ca_file=ca_file)


@pytest.fixture
def key() -> str:
    return f"{os.urandom(4).hex()}.md"


def cited(store: DocumentStore, kept: Original) -> Citation:
    return citation_of({"object_key": kept.key, "version_id": kept.version_id, "sha256": SHA}, store.bucket)


def test_a_citation_leads_to_what_was_read_also_after_the_document_was_replaced(store: DocumentStore, key: str) -> None:
    citation = cited(store, store.store(key, BODY, "text/markdown"))
    assert citation_problem(store, citation) == ""
    newer = store.store(key, b"Forklifts go first.", "text/markdown")
    assert newer.version_id != citation.version_id
    assert citation_problem(store, citation) == ""
    assert store.read_version(key, citation.version_id) == BODY


def test_the_same_document_keeps_its_version_and_its_citations(store: DocumentStore, key: str) -> None:
    first = store.store(key, BODY, "text/markdown")
    again = store.store(key, BODY, "text/markdown")
    assert (first.version_id, first.written, again.written) == (again.version_id, True, False)


def test_an_original_that_was_tampered_with_is_red(server: Server, store: DocumentStore, key: str) -> None:
    citation = cited(store, store.store(key, BODY, "text/markdown"))
    (server.buckets / store.bucket / key).write_bytes(BODY.replace(b"give", b"GIVE"))
    assert "they were altered in the store" in citation_problem(store, citation)


def test_an_original_that_was_replaced_together_with_its_checksum_is_red(s3: "S3Client", store: DocumentStore, key: str) -> None:
    citation = cited(store, store.store(key, BODY, "text/markdown"))
    forged = s3.put_object(Bucket=store.bucket, Key=key, Body=BODY.replace(b"give", b"GIVE"))["VersionId"]
    assert "they were altered in the store" in citation_problem(store, replace(citation, version_id=forged))


def test_a_version_that_was_deleted_is_red(s3: "S3Client", store: DocumentStore, key: str) -> None:
    citation = cited(store, store.store(key, BODY, "text/markdown"))
    s3.delete_object(Bucket=store.bucket, Key=key, VersionId=citation.version_id)
    assert "the store answered NoSuch" in citation_problem(store, citation)


def test_a_bucket_without_versions_proves_nothing(server: Server, s3: "S3Client", ca_file: Path, key: str) -> None:
    s3.create_bucket(Bucket="plain")
    store = documents(server, ca_file, "plain")
    kept = store.store(key, BODY, "text/markdown")
    assert citation_problem(store, cited(store, kept)).startswith("the bucket keeps no versions")


def test_a_chunk_that_lost_its_metadata_is_red(store: DocumentStore) -> None:
    assert citation_problem(store, citation_of({}, store.bucket)) == "the chunk does not say where its original is"
