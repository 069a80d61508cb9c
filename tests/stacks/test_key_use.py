"""A key counts as in use only by what the store wrote down or what the pods carry; the lines are a real server's."""

import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from components.milvus_values import CREDENTIAL_ANNOTATION
from stacks import key_use, milvus_pods, store_users
from stacks.access_log import AccessLog
from stacks.parts.object_store import s3_store
from stacks.problems import SettingsError, UnansweredError
from stacks.settings.object_store import S3Settings
from stacks.store_trial import refusal
from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, Server

BUCKET = "rag-milvus"
GOOD = {"access_key": PROFILE, "secret_key": ADMIN_KEY, "generation": "new", "bucket": BUCKET}
GONE = {"access_key": "no-longer-there", "secret_key": "x" * 20, "generation": "old", "bucket": BUCKET}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, AccessLog]]:
    """A real server that logs, with one bucket."""
    s3_server.require()
    root = tmp_path_factory.mktemp("logging")
    log = root / "access.log"
    with ExitStack() as stack:
        found = s3_server.start(stack, root, certificates.make(root), gateway=["--access-log", str(log)])
        ask(found, GOOD, f"/{BUCKET}", method="PUT")
        yield found, AccessLog(log)


def ask(server: Server, key: dict[str, str], path: str = f"/{BUCKET}?list-type=2", agent: str = "", method: str = "GET") -> None:
    """Ask with a key, as a client that calls itself `agent`, or as boto3 does."""
    request = AWSRequest(method, f"{server.endpoint}{path}", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    S3SigV4Auth(Credentials(key["access_key"], key["secret_key"]), "s3", "us-east-1").add_auth(request)
    headers = {**request.headers, "User-Agent": agent or "Boto3/1.0"}
    httpx.request(method, str(request.url), headers=headers, verify=ssl.create_default_context(cadata=server.ca_pem))


def settings(server: Server, endpoint: str = "") -> Any:
    store = SimpleNamespace(endpoint=endpoint or server.endpoint, region="us-east-1", ca_pem=server.ca_pem)
    return SimpleNamespace(object_store=store, milvus_bucket=BUCKET)


@pytest.fixture
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File that answers for the cluster: a `kubectl` that prints it."""
    answer, kubectl = tmp_path / "pods.json", tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f"#!/bin/sh\ncat {answer}\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kubectl.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(key_use, "_TRIES", 1)
    monkeypatch.setattr(key_use, "_PAUSE_S", 0)
    monkeypatch.setattr(key_use, "_QUIET_S", 0)
    write(answer, {"milvus-1": ("new", True)})
    return answer


def write(path: Path, pods: dict[str, tuple[str, bool]]) -> None:
    items = [
        {
            "metadata": {"name": name, "annotations": {CREDENTIAL_ANNOTATION: generation}},
            "status": {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]},
        }
        for name, (generation, ready) in pods.items()
    ]
    path.write_text(json.dumps({"items": items}))


@pytest.mark.e2e
def test_each_key_is_told_by_the_stores_own_answer(server: tuple[Server, AccessLog]) -> None:
    found, _ = server
    assert refusal(settings(found), GOOD) == ""
    assert refusal(settings(found), GONE) == "InvalidAccessKeyId"
    assert refusal(settings(found), {**GOOD, "secret_key": "wrong"}) == "SignatureDoesNotMatch"
    with pytest.raises(UnansweredError, match="does not answer"):
        refusal(settings(found, "https://127.0.0.1:1"), GOOD)
    with pytest.raises(UnansweredError, match="NoSuchBucket"):  # a key that knows its bucket's name, as COSI gave it
        refusal(settings(found), {**GOOD, "bucket": "named-by-cosi"})


@pytest.mark.e2e
def test_the_log_says_who_asked_with_which_key_and_what_was_refused(server: tuple[Server, AccessLog]) -> None:
    found, log = server
    mark = log.mark()
    ask(found, GOOD, f"/{BUCKET}/a%20200%20b", "MinIO (linux; amd64) minio-go/v7.0.61", method="PUT")
    ask(found, GONE, agent="aws-sdk-cpp/1.9")
    ask(found, GONE)
    first, refused, ours = log.requests(mark)
    assert (first.key, first.address, first.operation, first.bucket, first.status) == (PROFILE, "127.0.0.1", "PutObject", BUCKET, 200)
    assert (refused.refused, refused.error, refused.ours, ours.ours) == (True, "InvalidAccessKeyId", False, True)
    assert [one.error for one in key_use.refused(log, mark, BUCKET)] == ["InvalidAccessKeyId"]
    assert not key_use.refused(log, log.mark(), BUCKET)


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    line = "o b [24/November/2026:11:15:04 +0000] 10.0.0.1 key ID s3_HeadObject k /b/k 200 - 0 0 0 0 - minio-go x\n"
    path = tmp_path / "log"
    path.write_text(line * 3)
    log = AccessLog(path)
    mark = log.mark()
    path.write_text(line + line[:40])
    assert len(list(log.requests(mark))) == 1, "the half line is not there yet"
    with pytest.raises(SettingsError, match="leave that out"):
        AccessLog(tmp_path / "none")


@pytest.mark.e2e
def test_the_new_key_is_in_use_when_the_store_saw_milvus_sign_with_it(server: tuple[Server, AccessLog], pods: Path) -> None:
    found, log = server
    unseen = {**GOOD, "access_key": "never-used"}
    ask(found, GOOD, agent="minio-go")
    seen = key_use.evidence("rag", GOOD, GONE, log.path)
    assert (seen.kind, seen.problem) == ("access log", "")
    assert "of milvus-1 signed with the new key" in seen.text
    assert "shows no request of Milvus signed" in key_use.evidence("rag", unseen, GONE, log.path).problem
    assert pods.exists()


@pytest.mark.e2e
def test_a_trial_of_ours_is_no_use_by_milvus(server: tuple[Server, AccessLog], pods: Path, tmp_path: Path) -> None:
    _, log = server
    trials = tmp_path / "only-ours.log"
    trials.write_text("".join(line for line in log.path.read_text().splitlines(keepends=True) if "Boto3/" in line))
    assert PROFILE in trials.read_text()
    assert key_use.evidence("rag", GOOD, None, trials).problem
    assert pods.exists()


@pytest.mark.e2e
def test_an_old_key_that_somebody_still_uses_stops_the_revoking(
    server: tuple[Server, AccessLog], pods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, log = server
    ask(found, GOOD, agent="minio-go")
    monkeypatch.setattr(time, "sleep", lambda _: ask(found, GOOD, agent="somebody-else"))
    still = key_use.evidence("rag", GOOD, GOOD, log.path)
    assert "the old key is still in use" in still.problem
    assert "127.0.0.1" in still.problem
    assert pods.exists()


@pytest.mark.parametrize(
    ("there", "behind"),
    [
        ({"milvus-1": ("new", True), "milvus-0": ("old", True)}, "milvus-0"),
        ({"milvus-1": ("new", False)}, "milvus-1"),
        ({}, "none"),
    ],
)
def test_without_a_log_every_pod_has_to_be_ready_with_the_new_key(pods: Path, there: dict[str, tuple[str, bool]], behind: str) -> None:
    assert "no access log of the store" in key_use.evidence("rag", GOOD, GONE, None).text
    write(pods, there)
    assert key_use.evidence("rag", GOOD, GONE, None).problem == f"pods without the new key: {behind}"


def test_a_cluster_that_does_not_answer_is_said(pods: Path) -> None:
    pods.unlink()
    with pytest.raises(UnansweredError, match="kubectl cluster-info"):
        milvus_pods.listed("rag")


@pytest.mark.e2e
def test_users_and_keys_that_the_state_does_not_know_are_named(
    server: tuple[Server, AccessLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = server
    s3_server.credentials(tmp_path / "credentials", PROFILE, ADMIN_KEY)
    (tmp_path / "ca.crt").write_text(found.ca_pem)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    chosen = S3Settings.model_construct(
        endpoint=found.endpoint, iam_endpoint=found.iam_endpoint, admin_profile=PROFILE, ca_file=str(tmp_path / "ca.crt")
    )
    asked: Any = SimpleNamespace(object_store=chosen, milvus_bucket=BUCKET, documents_bucket="rag-documents")
    with s3_store(chosen).server.iam() as iam:
        for user in (BUCKET, f"{BUCKET}_2", "rag-milvus-of-others"):
            iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=BUCKET)["AccessKey"]["AccessKeyId"]
        assert store_users.left_over(asked, {BUCKET: key}) == [f"user {BUCKET}_2"]
        iam.create_access_key(UserName=BUCKET)
    assert store_users.left_over(asked, {BUCKET: key, f"{BUCKET}_2": ""}) == [f"a key of {BUCKET}"]
    assert store_users.left_over(SimpleNamespace(object_store=None), {}) is None  # type: ignore[arg-type]  # any other driver
