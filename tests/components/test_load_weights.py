"""The script of the init container, against a real S3 server."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from components import load_weights
from components.stores.s3 import S3Server
from tests.s3_server import ADMIN_KEY, PROFILE

pytestmark = pytest.mark.e2e


@pytest.fixture
def s3(store: S3Server) -> Iterator[Any]:
    with store.s3() as client:
        yield client


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"weights-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def load(
    store: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the script; returns its exit code and what it said."""
    (tmp_path / "ca.crt").write_text(store.ca_pem)
    (tmp_path / "weights").mkdir()
    variables = {
        "ENDPOINT": store.endpoint,
        "REGION": store.region,
        "BUCKET": bucket,
        "PREFIX": "m/",
        "TARGET": str(tmp_path / "weights"),
        "AWS_ACCESS_KEY_ID": PROFILE,
        "AWS_SECRET_ACCESS_KEY": ADMIN_KEY,
        "AWS_CA_BUNDLE": str(tmp_path / "ca.crt"),
    }

    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def run(**changes: str) -> tuple[int, str]:
        for name, value in changes.items():
            monkeypatch.setenv(name, value)
        return load_weights.main(), capsys.readouterr().out

    return run


def put(s3: Any, bucket: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=f"m/{name}", Body=content)


def test_everything_below_the_prefix_is_copied_once(load: Callable[..., tuple[int, str]], s3: Any, bucket: str, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "parts/1.bin": os.urandom(3 << 20), "parts/2.bin": b""}
    put(s3, bucket, files)
    s3.put_object(Bucket=bucket, Key="other/config.json", Body=b"not this one")
    code, said = load()
    assert (code, "3 files, 3.0 MiB, 3.0 MiB copied" in said) == (0, True)
    assert {name: (tmp_path / "weights" / name).read_bytes() for name in files} == files
    assert not (tmp_path / "weights" / "other").exists()
    code, said = load()
    assert (code, "3 files, 3.0 MiB, 0.0 MiB copied" in said) == (0, True)


def test_what_changed_or_was_left_half_is_copied_again(load: Callable[..., tuple[int, str]], s3: Any, bucket: str, tmp_path: Path) -> None:
    put(s3, bucket, {"a": b"old", "b": b"same"})
    assert load()[0] == 0
    put(s3, bucket, {"a": b"new"})
    (tmp_path / "weights" / "b").write_bytes(b"sa")
    assert load()[0] == 0
    assert [(tmp_path / "weights" / name).read_bytes() for name in ("a", "b")] == [b"new", b"same"]


def test_a_checksum_that_fits_is_silent_and_one_that_does_not_stops_the_engine(
    load: Callable[..., tuple[int, str]], s3: Any, bucket: str, tmp_path: Path
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    put(s3, bucket, {"model.bin": b"weights", "SHA256SUMS": f"{digest}  ./model.bin\n".encode()})
    assert load()[0] == 0
    put(s3, bucket, {"model.bin": b"weight!"})
    code, said = load()
    assert (code, f"SHA256SUMS says {digest}" in said, said.count("\n")) == (1, True, 1)
    assert (tmp_path / "weights" / "model.bin").read_bytes() == b"weights", "never half or wrong under its name"


@pytest.mark.parametrize(
    ("files", "wrong", "words"),
    [
        ({}, {}, "holds no object, so there is nothing to serve"),
        ({"a": b"x"}, {"PREFIX": "wrong/"}, "holds no object"),
        ({"a": b"x", "SHA256SUMS": b"0  b\n"}, {}, "SHA256SUMS names 'b', which is not there"),
        ({"a": b"x"}, {"BUCKET": "no-such-bucket"}, "NoSuchBucket"),
        ({"a": b"x"}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"a": b"x"}, {"AWS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"}, "SSL"),
    ],
)
def test_what_cannot_be_copied_ends_with_one_line_that_names_the_place(
    load: Callable[..., tuple[int, str]], store: S3Server, files: dict[str, bytes], wrong: dict[str, str], words: str
) -> None:
    with store.s3() as s3:
        put(s3, os.environ["BUCKET"], files)
    code, said = load(**wrong)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("weights: s3://")
    assert words in said
    assert ADMIN_KEY not in said
