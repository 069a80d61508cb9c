"""The preflight against a real S3 server: the good one is green, each fault is red for its own reason, and nothing is left."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.stores.s3 import S3Server as Administrator
from tests import certificates, s3_server
from tests.s3_server import PROFILE, Server
from tests.validation.suites.preflight import faults
from tests.validation.suites.preflight.conftest import BUCKET, DOCUMENTS, LOCKED, VERSIONED, Preflight, Site, found, key_files, keys_in, red
from validation.checks.registry import Check
from validation.checks.storage import performance as performance_module
from validation.checks.storage import writes
from validation.checks.storage.aim import Encryption, Style, Wal
from validation.checks.storage.bucket import bucket_settings, isolation, root_path
from validation.checks.storage.context import StoreContext
from validation.checks.storage.integrity import checksums, encryption
from validation.checks.storage.performance import busy, estimate, performance
from validation.checks.storage.permissions import permissions
from validation.checks.storage.writes import conditional_write, consistency
from validation.judge.errors import Outcome

pytestmark = pytest.mark.e2e


def versions_in(site: Site, bucket: str, run_id: str) -> int:
    """Count versions and delete markers that a run left."""
    if bucket not in {VERSIONED, LOCKED}:
        return 0
    with site.admin.s3() as s3:
        listed = s3.list_object_versions(Bucket=bucket, Prefix=f"preflight-{run_id}/")
    return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))


@pytest.mark.alone
def test_the_good_store_is_green_and_nothing_is_left(run: Preflight, site: Site) -> None:
    record = run()
    assert (record.exit_code, [found(record, name).seen for name in red(record)], record.left_behind) == (0, [], [])
    assert record.reason == f"{len(record.findings) - 2} of {len(record.findings) - 2} findings are OK"
    assert [one.name for one in record.findings if one.outcome is None] == ["beside", "performance"]
    assert found(record, "conditional_write").seen == (
        "strict: each of the six steps is answered as Woodpecker needs it (412); one of 8 writers won each of 10 races; "
        "also with 1 MiB, on a key of 2 s, over another connection and after a delete"
    )
    assert found(record, "checksums").seen.endswith("CRC32, CRC32C, CRC64NVME, SHA256")
    assert record.wal["fits"] == "woodpecker"
    assert keys_in(site) == []
    text = (run.directory / "report.json").read_text()
    assert [name for name in ("access_key", "secret_key") if (site.keys["milvus"] / name).read_text().strip() in text] == []


KEYS: dict[str, tuple[Callable[[Site, Path], dict[str, Any]], str, str]] = {
    "wrong secret": (
        lambda site, home: {"credential_dir": key_files(home / "k", (site.keys["milvus"] / "access_key").read_text(), "wrong")},
        "credential",
        "the secret key does not belong to the access key, or something on the way changes requests: HTTP 403 SignatureDoesNotMatch",
    ),
    "wrong access key": (
        lambda _, home: {"credential_dir": key_files(home / "k", "AKIDOESNOTEXIST", "wrong")},
        "credential",
        "the store does not know the access key: HTTP 403 InvalidAccessKeyId",
    ),
    "another tenant's key": (
        lambda site, _: {"credential_dir": site.keys["tenant"]},
        "bucket",
        "the key is valid, and may neither list nor write in the bucket rag-milvus: HTTP 403 AccessDenied",
    ),
    "someone else's bucket": (
        lambda _, __: {"bucket": DOCUMENTS},
        "bucket",
        "the key is valid, and may neither list nor write in the bucket rag-documents: HTTP 403 AccessDenied",
    ),
    "no such bucket": (
        lambda _, __: {"bucket": "nowhere", "profile": PROFILE, "credential_dir": None},
        "bucket",
        "there is no bucket nowhere: HTTP 404 NoSuchBucket",
    ),
    "no ListBucket": (
        lambda site, _: {"credential_dir": site.keys["no-list"]},
        "permission_list",
        "the key may write in the bucket rag-milvus and not list it: HTTP 403 AccessDenied",
    ),
    "read-only": (
        lambda site, _: {"credential_dir": site.keys["reader"]},
        "permission_put",
        "the key may read and not write in the bucket rag-milvus: HTTP 403 AccessDenied",
    ),
    "versioned bucket": (
        lambda site, _: {"bucket": VERSIONED, "credential_dir": site.keys["versioned"]},
        "versioning",
        "the bucket versioned keeps every version: a write was answered with the version ",
    ),
    "versioned bucket, seen without an administrator": (
        lambda site, _: {"bucket": VERSIONED, "credential_dir": site.keys["versioned"], "admin_profile": None},
        "versioning",
        "the bucket versioned keeps every version: a write was answered with the version ",
    ),
    "object lock": (
        lambda site, _: {"bucket": LOCKED, "credential_dir": site.keys["locked"]},
        "object_lock",
        "object lock is on for the bucket locked",
    ),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_or_a_bucket_that_milvus_could_not_use_exits_1(run: Preflight, site: Site, tmp_path: Path, case: str) -> None:
    changes, name, seen = KEYS[case]
    options = changes(site, tmp_path)
    record = run(bucket_settings, permissions, **options)
    assert record.exit_code == 1
    assert found(record, name).seen.startswith(seen)
    assert found(record, name).outcome is Outcome.FAIL
    assert found(record, name).consequence
    assert found(record, name).cure
    assert "permissions" in record.not_asked
    assert keys_in(site) == []
    if options.get("admin_profile", PROFILE):
        assert record.left_behind == []
        assert versions_in(site, str(record.target["bucket"]), record.run_id) == 0


def test_what_a_versioned_bucket_keeps_is_told(run: Preflight, site: Site) -> None:
    record = run(bucket_settings, bucket=VERSIONED, credential_dir=site.keys["versioned"], admin_profile=None)
    assert len(record.left_behind) == 1
    assert record.left_behind[0].startswith(f"s3://{VERSIONED}/preflight-{record.run_id}/settings version ")


def test_a_root_path_with_objects_of_another_milvus_exits_1_unless_they_are_ours(run: Preflight, site: Site) -> None:
    with site.admin.s3() as s3:
        s3.put_object(Bucket=BUCKET, Key="taken/insert_log/1/2/3", Body=b"x")
    try:
        record = run(root_path, root_path="taken")
        assert (record.exit_code, red(record)) == (1, ["root_path"])
        assert found(record, "root_path").seen == (
            "another Milvus, or an earlier one, has objects below taken/, such as taken/insert_log/1/2/3"
        )
        assert "milvus.root_path NAME" in found(record, "root_path").cure
        assert run(root_path, root_path="taken", installed=True).exit_code == 0
        assert (
            "its Milvus localhost is installed"
            in found(run(root_path, root_path="taken", milvus_uri="http://localhost:19530"), "root_path").seen
        )
        shared = run(root_path)
        assert (shared.exit_code, red(shared)) == (0, ["bucket_shared"])
        assert run(root_path, strict=True).exit_code == 1
        assert keys_in(site) == ["taken/insert_log/1/2/3"]
    finally:
        with site.admin.s3() as s3:
            s3.delete_object(Bucket=BUCKET, Key="taken/insert_log/1/2/3")


def test_a_key_that_opens_the_documents_as_well_exits_1(run: Preflight) -> None:
    record = run(isolation, credential_dir=None, profile=PROFILE)
    assert (record.exit_code, "denied_other_bucket" in red(record)) == (1, True)
    assert found(record, "denied_other_bucket").seen == f"the key may list and read in the bucket {DOCUMENTS}"
    assert found(record, "denied_list_buckets").outcome is Outcome.WARN


def test_a_policy_that_is_said_to_confine_to_the_root_path_and_does_not_exits_1(run: Preflight, site: Site) -> None:
    record = run(isolation, scoped_to_prefix=True)
    assert (record.exit_code, red(record)) == (1, ["denied_other_prefix"])
    assert keys_in(site) == []


def test_encryption_that_is_promised_and_not_done_exits_1(run: Preflight) -> None:
    record = run(encryption, encryption=Encryption.AES256)
    assert (record.exit_code, red(record)) == (1, ["encryption"])
    assert found(record, "encryption").seen == "promised is AES256, HEAD and GET tell none"


def test_a_clock_that_is_off_when_requests_are_signed_exits_1(run: Preflight, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC) + timedelta(minutes=20)
    monkeypatch.setattr("botocore.crt.auth.get_current_datetime", lambda *_, **__: late.replace(tzinfo=None))
    record = run(busy)
    assert (record.exit_code, red(record)) == (1, ["clock"])
    assert "this machine's clock and the store's are too far apart: HTTP 403 RequestTimeTooSkewed" in record.reason


def test_a_store_that_takes_virtual_host_addresses_only_exits_1_and_names_the_style(
    run: Preflight, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: real("127.0.0.1", *rest, **more))  # as a wildcard in DNS would
    with faults.between(site.server, faults.VirtualOnly()) as address:
        here: dict[str, Any] = {"endpoint": address.replace("127.0.0.1", "localhost"), "ca_file": None}
        record = run(bucket_settings, **here)
        right = run(bucket_settings, **here, style=Style.VIRTUAL)
    assert record.exit_code == 1
    assert found(record, "style").seen == (
        "the store answers HTTP 400 InvalidRequest (this store wants the bucket in the host name) to path-style addresses, "
        "but takes virtual-style ones"
    )
    assert found(record, "style").cure == "--style virtual, and in the chart externalS3.useVirtualHost: true"
    assert (right.exit_code, found(right, "style").seen) == (0, "virtual-style addresses work")


@contextmanager
def unversioned(tmp_path: Path, *posix: str) -> Iterator[Server]:
    with ExitStack() as stack:
        tls = certificates.make(tmp_path)
        yield s3_server.start(stack, tmp_path / "other", tls, posix=posix)


def test_a_store_that_ignores_if_none_match_exits_1_and_the_weaker_setting_is_a_warning(run: Preflight, tmp_path: Path) -> None:
    with unversioned(tmp_path, "--nometa") as server:
        administrator = Administrator(
            endpoint=server.endpoint, iam_endpoint=server.iam_endpoint, region="us-east-1", ca_pem=server.ca_pem, admin_profile=PROFILE
        )
        with administrator.s3() as s3:
            s3.create_bucket(Bucket=BUCKET)
        here: dict[str, Any] = {
            "endpoint": server.endpoint,
            "ca_file": tmp_path / "tls.crt",
            "credential_dir": None,
            "profile": PROFILE,
            "other_bucket": None,
        }
        record = run(conditional_write, **here)
        weaker = run(conditional_write, **here, wal=Wal.WOODPECKER_UNCONDITIONAL)
    assert record.exit_code == 1
    assert found(record, "conditional_write").seen == (
        "ignored: a second write with If-None-Match: * succeeds, and the key then holds b'two'; planned is woodpecker"
    )
    assert record.wal["setting"] == "milvus.condition_write: disable"
    assert found(weaker, "conditional_write").outcome is Outcome.WARN
    assert "lock in etcd" in found(weaker, "conditional_write").consequence


@dataclass(frozen=True, kw_only=True)
class Case:
    """A store that misbehaves, and how the preflight says so."""

    fault: Callable[[], faults.Fault]
    exit_code: int
    name: str
    seen: str
    questions: tuple[Check[StoreContext], ...]
    options: dict[str, Any] = field(default_factory=dict)


FAULTS = {
    "If-None-Match rejected": Case(
        fault=faults.Conditions,
        exit_code=1,
        name="conditional_write",
        seen="rejected: a first write with If-None-Match: * is refused: HTTP 501 NotImplemented",
        questions=(conditional_write,),
    ),
    "If-None-Match rejected, and Woodpecker without conditional writes": Case(
        fault=faults.Conditions,
        exit_code=1,
        name="conditional_write",
        seen="rejected: a first write with If-None-Match: * is refused: HTTP 501 NotImplemented",
        questions=(conditional_write,),
        options={"wal": Wal.WOODPECKER_UNCONDITIONAL},
    ),
    "If-None-Match rejected, and Kafka": Case(
        fault=faults.Conditions,
        exit_code=0,
        name="conditional_write",
        seen="rejected: a first write with If-None-Match: * is refused: HTTP 501 NotImplemented",
        questions=(conditional_write,),
        options={"wal": Wal.KAFKA},
    ),
    "busy for a moment": Case(
        fault=lambda: faults.Busy(1),
        exit_code=0,
        name="answers",
        seen="requests had to be repeated, over ",
        questions=(bucket_settings, busy),
        options={"patience_s": 10},
    ),
    "busy for long": Case(
        fault=lambda: faults.Busy(100),
        exit_code=3,
        name="answers",
        seen="the store is busy for 1 s: ListObjectsV2 is answered with HTTP 503 SlowDown (Please reduce your request rate.)",
        questions=(busy,),
    ),
    "stops in the middle": Case(
        fault=lambda: faults.Dies(5),
        exit_code=4,
        name="answers",
        seen="the store at http://127.0.0.1:",
        questions=(bucket_settings, permissions, busy),
    ),
    "expires everything": Case(
        fault=lambda: faults.Expires("<Status>Enabled</Status><Prefix></Prefix><Expiration><Days>30</Days></Expiration>"),
        exit_code=1,
        name="lifecycle",
        seen="rule tidy expires objects: {'Days': 30}",
        questions=(bucket_settings,),
    ),
    "expires something else": Case(
        fault=lambda: faults.Expires("<Status>Enabled</Status><Prefix>logs/</Prefix><Expiration><Days>30</Days></Expiration>"),
        exit_code=0,
        name="lifecycle",
        seen="no rule expires Milvus's objects",
        questions=(bucket_settings,),
    ),
    "another region": Case(
        fault=faults.WrongRegion,
        exit_code=1,
        name="region",
        seen="requests are signed for us-east-1, and the store wants eu-1",
        questions=(busy,),
    ),
    "a console": Case(fault=faults.Console, exit_code=1, name="s3_api", seen="what answers at http://127.0.0.1:", questions=(busy,)),
    "stale reads": Case(
        fault=faults.Stale,
        exit_code=1,
        name="consistency",
        seen="stale: read after overwrite 5 of 5, read after delete 5 of 5",
        questions=(consistency,),
    ),
    "takes the framing of a chunked body for data": Case(
        fault=faults.KeepsFraming,
        exit_code=1,
        name="checksum_crc64nvme",
        seen="a body with a CRC64NVME trailer is accepted, but other bytes are kept: the store took the framing for data",
        questions=(checksums,),
    ),
    "no abort": Case(
        fault=lambda: faults.Forbids("POST", "uploads"),
        exit_code=1,
        name="permission_multipart",
        seen="the key may not: HTTP 403 AccessDenied",
        questions=(permissions,),
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_store_that_misbehaves_is_red_for_the_right_reason(
    run: Preflight, site: Site, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = FAULTS[case]
    monkeypatch.setattr(writes, "_ROUNDS", 5)
    monkeypatch.setattr(writes, "_LOOP_S", 100.0)  # all of them, also on a busy machine
    with faults.between(site.server, chosen.fault()) as endpoint:
        record = run(*chosen.questions, endpoint=endpoint, ca_file=None, **chosen.options)
    assert record.exit_code == chosen.exit_code, record.reason
    assert found(record, chosen.name).seen.startswith(chosen.seen)
    left = keys_in(site)
    if case == "stops in the middle":
        assert record.left_behind[0].startswith(f"s3://{BUCKET}/preflight-{record.run_id}/* (up to ")
        with site.admin.s3() as s3:
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in left]})
    else:
        assert left == []


@pytest.mark.alone
def test_performance_is_measured_within_its_budget_and_nothing_is_left(run: Preflight, site: Site) -> None:
    record = run(performance, estimate, performance=True, budget_s=3, budget_mib=40)
    rows = {(row["operation"], row["size_bytes"], row["workers"]): row for row in record.performance}
    assert rows["PUT", 65536, 1]["samples"] >= 2
    assert rows["PUT", 65536, 1]["max_ms"] >= rows["PUT", 65536, 1]["p50_ms"] > 0
    assert {row["size_bytes"] for row in record.performance} == {65536}
    assert found(record, "performance").outcome is Outcome.WARN
    assert "not measured: 64 KiB x 32, 1 MiB x 1, " in found(record, "performance").seen
    assert [one["value"] for one in record.estimates[:2]] == [None, None]
    assert keys_in(site) == []


def test_ctrl_c_while_measuring_removes_what_was_written(run: Preflight, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        assert keys_in(site)
        raise KeyboardInterrupt

    monkeypatch.setattr(performance_module, "_row", interrupt)
    record = run(performance, performance=True, budget_s=30, budget_mib=20)
    assert (record.exit_code, record.outcome, record.left_behind) == (2, Outcome.ERROR, [])
    assert keys_in(site) == []


def test_a_budget_in_which_nothing_can_be_measured_exits_3(run: Preflight) -> None:
    record = run(performance, performance=True, budget_s=30, budget_mib=1)
    assert (record.exit_code, record.findings[-1].seen) == (3, "not one operation has samples enough")
