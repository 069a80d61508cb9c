"""The drill of killed rotations sees every user and key that a store has too many."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stacks.settings.object_store import S3Settings
from stacks.wiring.object_store import s3_store
from tests import certificates, s3_server
from tests.drills import store_users
from tests.s3_server import ADMIN_KEY, PROFILE

BUCKET = "rag-milvus"


@pytest.mark.e2e
def test_users_and_keys_that_the_state_does_not_know_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.require()
    with ExitStack() as stack:
        server = s3_server.start(stack, tmp_path, certificates.make(tmp_path))
        s3_server.credentials(tmp_path / "credentials", PROFILE, ADMIN_KEY)
        (tmp_path / "ca.crt").write_text(server.ca_pem)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        chosen = S3Settings.model_construct(
            endpoint=server.endpoint, iam_endpoint=server.iam_endpoint, admin_profile=PROFILE, ca_file=str(tmp_path / "ca.crt")
        )
        asked: Any = SimpleNamespace(object_store=chosen, milvus_bucket=BUCKET, documents_bucket="rag-documents")
        with s3_store(chosen).server.iam() as iam:
            for user in (BUCKET, f"{BUCKET}_2", "rag-milvus-of-others"):
                iam.create_user(UserName=user)
            key = iam.create_access_key(UserName=BUCKET)["AccessKey"]["AccessKeyId"]
            assert store_users.left_over(asked, {BUCKET: key}) == [f"user {BUCKET}_2"]
            iam.create_access_key(UserName=BUCKET)
        assert store_users.left_over(asked, {BUCKET: key, f"{BUCKET}_2": ""}) == [f"a key of {BUCKET}"]


def test_a_store_that_gives_no_list_of_users_is_not_taken_for_a_clean_one() -> None:
    other_driver: Any = SimpleNamespace(object_store=None)
    assert store_users.left_over(other_driver, {}) is None
