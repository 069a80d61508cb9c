"""Backup and restore on the lab's Milvus and store: wiped and brought back, damaged and refused, killed and gone on with."""

import json
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types

from components.pods import Resources
from components.scheduled import Backup, BackupArgs
from lab.places import PKI, REPOSITORY
from tests.deploy import deploy
from tests.e2e.lab import Ended, Lab
from validation.backup.content import Line, Rows
from validation.clients.http import Access
from validation.clients.milvus_connection import Tls
from validation.experiments.proxies import HttpProxy, MilvusProxy

pytestmark = pytest.mark.e2e
ROWS, DIMENSION = 6_000, 64
PREFIX = "backup_"
_WRITE = "Insert|Upsert"
BACKUP_MOMENTS = {
    "versioning": ("GET .*versioning", 1),
    "object lock": ("GET .*object-lock", 1),
    "what parts there are": ("GET .*parts%2F", 1),
    "what backups there are": ("GET .*runs%2F", 1),
    **{f"part {number}": ("PUT .*/parts/", number) for number in (1, 2, 4, 6)},
    "all parts": ("GET .*parts%2F", 2),
    "the manifest": ("PUT .*/runs/", 1),
}
"""The request to the bucket at which a backup is killed: a regular expression, and the how manieth."""
RESTORE_MOMENTS = {
    "nothing": ("CreateCollection", 1),
    "no partition": ("CreatePartition", 1),
    "no index": ("CreateIndex", 1),
    "not loaded": ("LoadCollection", 1),
    "no row": (_WRITE, 1),
    "some rows": (_WRITE, 3),
    "more rows": (_WRITE, 3),
    "reading what is there": ("Query", 3),
    "not flushed": ("Flush", 1),
    "not judged": ("Search", 1),
}
"""The call to Milvus at which a restore is killed, by what is there of the collection then."""


@dataclass
class Killer:
    """Kills a command at a moment: that call never arrives."""

    pattern: str = ""
    number: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def sees(self, call: str) -> bool:
        if self.process is None or not re.match(self.pattern, call):
            return False
        self.number -= 1
        if self.number == 0:
            self.process.kill()
        return self.number <= 0


class KillingStore(HttpProxy):
    """Stands before the bucket of the backups."""

    def __init__(self, url: str, ca_pem: str, killer: Killer) -> None:
        super().__init__(url, Access(ca_pem=ca_pem))
        self._killer = killer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._killer.sees(f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}"):
            return
        await super().__call__(scope, receive, send)


class KillingMilvus(MilvusProxy):
    """Stands before Milvus."""

    def __init__(self, uri: str, killer: Killer) -> None:
        super().__init__(uri, Tls())
        self._killer = killer

    def service(self, details: Any) -> Any:
        return None if self._killer.sees(details.method.rpartition("/")[2]) else super().service(details)


@dataclass
class Place:
    """The lab's Milvus, a bucket of these tests' own, and the commands."""

    lab: Lab
    client: MilvusClient
    s3: Any
    bucket: str
    home: Path

    def command(self, *words: str, endpoint: str = "") -> list[str]:
        where = {"--bucket": self.bucket, "--credential-dir": self.home, "--ca-file": PKI / "store-ca.crt", "--out": self.home / "out"}
        endpoint = endpoint or self.lab.environment()["AWS_ENDPOINT_URL_S3"]
        return ["./rag", *words, "--endpoint", endpoint, *(str(part) for pair in where.items() for part in pair)]

    def run(self, *words: str) -> Ended:
        return self.lab.run(*self.command(*words))

    def report(self, name: str) -> Any:
        return json.loads((self.home / "out" / f"{name}.json").read_text())

    def lines(self, name: str) -> list[Line]:
        rows = Rows(self.client, "", name)
        shape = rows.shape()
        return [line for partition in shape.readable for line in rows.lines(shape, partition)]

    def collections(self) -> set[str]:
        """Return those of these tests: other tests make and drop theirs meanwhile."""
        return {name for name in self.client.list_collections() if name.startswith(PREFIX)}

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def killed_once(self, is_so: Callable[[], bool], *words: str) -> None:
        """Run a command in the lab's shell, and kill it with all it started as soon as something is so."""
        with subprocess.Popen(self.command(*words), cwd=REPOSITORY, env=self.lab.environment(), stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not is_so():
                time.sleep(0.02)
            process.kill()

    def killed_at(self, killer: Killer, moment: tuple[str, int], *command: str) -> bool:
        """Run a command through proxies that kill it at that moment; return whether it was."""
        with subprocess.Popen(command, cwd=REPOSITORY, env=self.lab.environment(), stdout=subprocess.DEVNULL) as process:
            killer.pattern, killer.number, killer.process = *moment, process
        killer.process = None
        return process.returncode == -signal.SIGKILL

    def doctor(self) -> str:
        return self.lab.run("./rag", "doctor", "lab").output

    def rows(self, name: str) -> int:
        try:
            return int(self.client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"])
        except Exception:  # noqa: BLE001 - not there, or not loaded yet
            return 0


@pytest.fixture(scope="module")
def place(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home, shell = tmp_path_factory.mktemp("backup"), lab.environment()
    session, bucket = boto3.Session(profile_name="lab-admin"), f"e2e-backup-{secrets.token_hex(4)}"
    keys = session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]  # the lab has them
    (home / "access_key").write_text(str(keys.access_key))
    (home / "secret_key").write_text(str(keys.secret_key))
    address = shell["AWS_ENDPOINT_URL_S3"]
    s3 = session.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        verify=str(PKI / "store-ca.crt"),
        config=Config(s3={"addressing_style": "path"}),
    )
    s3.create_bucket(Bucket=bucket)
    client = MilvusClient(uri=shell["MILVUS_URI"], timeout=30)
    place = Place(lab, client, s3, bucket, home)
    there = place.collections()
    try:
        yield place
    finally:
        for name in place.collections() - there:
            client.drop_collection(name)
        for key in place.objects():
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)
        client.close()


@pytest.fixture(autouse=True, scope="module")
def _lab_credentials(lab: Lab) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", lab.environment()["AWS_SHARED_CREDENTIALS_FILE"])
        yield


@pytest.fixture(scope="module")
def collection(place: Place, _lab_credentials: None) -> str:
    """Make a collection with two partitions and fields of many kinds."""
    name = f"{PREFIX}{secrets.token_hex(3)}"
    schema = place.client.create_schema(auto_id=False, enable_dynamic_field=True, description="for backups")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=200)
    schema.add_field("more", DataType.JSON)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=4)
    schema.add_field("score", DataType.FLOAT)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    indexes = place.client.prepare_index_params()
    indexes.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 64})
    place.client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong", timeout=60)
    place.client.create_partition(name, "second", timeout=60)
    place.client.load_partitions(name, ["second"], timeout=60)
    vectors = np.random.default_rng(3).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    rows: list[dict[str, Any]] = [
        {
            "id": number * 7919,
            "text": f"row {number} „é“\n🚚",
            "more": {"n": [number]},
            "tags": [number, 1],
            "score": number / 3,
            "extra": number,
        }
        for number in range(ROWS)
    ]
    for first in range(0, ROWS, 1_000):
        batch = [row | {"vector": vector} for row, vector in zip(rows[first : first + 1_000], vectors[first:], strict=False)]
        place.client.insert(name, batch, partition_name="second" if first >= ROWS / 2 else "_default", timeout=60)
    return name


@pytest.mark.proof
@pytest.mark.timeout(1_500)
def test_a_backup_killed_at_ten_moments_is_none_until_one_comes_to_its_end(place: Place, collection: str) -> None:
    killer = Killer()
    store = KillingStore(place.lab.environment()["AWS_ENDPOINT_URL_S3"], (PKI / "store-ca.crt").read_text(), killer)
    with store.serving() as endpoint:
        command = place.command("backup", "lab", "--collection", collection, endpoint=endpoint)
        for name, moment in BACKUP_MOMENTS.items():
            assert place.killed_at(killer, moment, *command), name
            assert not [key for key in place.objects() if "/runs/" in key], f"{name}: what has no manifest is no backup"
        assert "command.unfinished" in place.doctor()
        assert place.lab.run(*command).code == 0
    assert "command.unfinished" not in place.doctor()
    assert place.run("backup", "lab", "--verify").code == 0
    (run,) = [key for key in place.objects() if "/runs/" in key]
    manifest = json.loads(place.s3.get_object(Bucket=place.bucket, Key=run)["Body"].read())
    named = {part["digest"] for entry in manifest["collections"] for parts in entry["parts"].values() for part in parts}
    assert {re.sub(r".*/|\..*", "", key) for key in place.objects()} - named == {manifest["id"]}, "the killed ones left nothing else"
    for key in place.objects():
        place.s3.delete_object(Bucket=place.bucket, Key=key)


@pytest.mark.proof
@pytest.mark.timeout(1_500)
def test_a_restore_killed_at_ten_moments_goes_on_until_every_row_is_there(place: Place, collection: str, tmp_path: Path) -> None:
    before, into, killer = place.lines(collection), f"{collection}_k", Killer()
    assert place.run("backup", "lab", "--collection", collection).code == 0
    kept, there = place.objects(), place.collections()
    with KillingMilvus(place.lab.environment()["MILVUS_URI"], killer).serving() as uri:
        (tmp_path / "lab.json").write_text(json.dumps(place.lab.outputs() | {"milvus_uri": uri}))
        command = place.command("restore", str(tmp_path / "lab.json"), "--into", into)
        for name, moment in RESTORE_MOMENTS.items():
            assert place.killed_at(killer, moment, *command), name
        done = place.lab.run(*command)
    assert done.code == 0, done.output
    restored = place.report("restore")["restored"][0]
    assert (restored["rows"], restored["there_before"], restored["differing"]) == (ROWS, ROWS, [])
    assert place.lines(into) == before
    assert Rows(place.client, "", into).shape() == Rows(place.client, "", collection).shape()
    assert place.collections() - there == {into}
    assert place.objects() == kept
    place.client.drop_collection(into)
    for key in kept:
        place.s3.delete_object(Bucket=place.bucket, Key=key)


@pytest.mark.proof
@pytest.mark.timeout(1_500)
def test_wiped_damaged_and_killed_it_comes_back_the_same_row_by_row(place: Place, collection: str) -> None:
    before, shape = place.lines(collection), Rows(place.client, "", collection).shape()
    first = place.run("backup", "lab", "--collection", collection, "--label", "e2e")
    assert first.code == 0, first.output
    parts = place.report("backup")["parts"]["written"]
    again = place.run("backup", "lab", "--collection", collection)
    assert place.report("backup")["parts"] == {"written": 0, "written_bytes": 0, "reused": parts}, again.output

    compared = place.run("restore", "lab", "--into", f"{collection}_2")
    assert compared.code == 0, compared.output
    assert place.report("restore")["restored"][0]["source"] == "holds the same rows"
    place.client.drop_collection(collection)

    into = collection
    place.killed_once(lambda: place.client.has_collection(into), "restore", "lab", "--into", into)
    place.killed_once(lambda: place.rows(into) > 0, "restore", "lab", "--into", into)
    done = place.run("restore", "lab", "--into", into)
    assert done.code == 0, done.output
    restored = place.report("restore")["restored"][0]
    assert (restored["rows"], restored["differing"], restored["recall"] >= 0.95) == (ROWS, [], True)
    assert place.lines(into) == before
    assert Rows(place.client, "", into).shape() == shape

    victim = next(key for key in place.objects() if "/parts/" in key)
    body = place.s3.get_object(Bucket=place.bucket, Key=victim)["Body"].read()
    place.s3.put_object(Bucket=place.bucket, Key=victim, Body=body[:-9] + bytes(9))
    refused = place.run("restore", "lab", "--into", f"{collection}_3")
    assert (refused.code, victim.rpartition("/")[2] in refused.output) == (3, True), refused.output
    assert not place.client.has_collection(f"{collection}_3")
    assert place.run("backup", "lab", "--verify").code == 1
    place.client.drop_collection(f"{collection}_2")


@pytest.mark.timeout(1_200)
def test_what_ingest_filled_is_what_ingest_expects_after_a_wipe(place: Place, tmp_path: Path) -> None:
    name = f"{PREFIX}docs_{secrets.token_hex(3)}"
    (tmp_path / "docs").mkdir()
    for number in range(6):
        (tmp_path / "docs" / f"pump-{number}.md").write_text(
            f"# Pump {number}\n\nIt lifts {number * 10} litres.\n\n## Care\n\nOil it weekly.\n"
        )
    ingest = ("./rag", "ingest", "lab", str(tmp_path / "docs"), "--collection", name, "--no-originals", "--no-judge", "--quiet")
    filled = place.lab.run(*ingest)
    assert filled.code == 0, filled.output
    before = place.lines(name)
    assert place.run("backup", "lab", "--collection", name).code == 0
    place.client.drop_collection(name)
    restored = place.run("restore", "lab", "--into", name)
    assert restored.code == 0, restored.output
    assert place.lines(name) == before
    again = place.lab.run(*ingest)
    assert "0 added, 0 changed, 0 removed, 6 unchanged" in again.output, again.output


@pytest.mark.proof
def test_a_backup_on_a_schedule_runs_in_its_pod_and_can_be_listed_from_outside(place: Place, collection: str) -> None:
    outputs, name = place.lab.outputs(), f"e2e-backup-{secrets.token_hex(3)}"
    args = BackupArgs(
        namespace=outputs["namespace"],
        account="suite",
        image=outputs["images"]["suite"],
        resources=Resources(cpu_cores=0.25, memory_gib=1),
        target=json.dumps(outputs),
        mounted=(),
        endpoint=outputs["object_store_endpoint"],
        region=outputs["object_store_region"],
        bucket=place.bucket,
        secret=name,
        ca_config_map=outputs["object_store_ca_config_map"],
        schedule="17 1 * * *",
        keep=2,
    )
    made = {item.type.rpartition(":")[2]: item.inputs for item in deploy(lambda: Backup("backup", args))}
    config_map, cron_job = made["ConfigMap"], made["CronJob"]
    config_map["metadata"]["name"] = cron_job["metadata"]["name"] = name
    volumes = {each["name"]: each for each in cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]}
    volumes["target"]["configMap"]["name"] = name
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", **config_map}, {"apiVersion": "batch/v1", "kind": "CronJob", **cron_job}]
    file, inside = place.home / "objects.json", ("-n", outputs["namespace"])
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    keys = [f"--from-file={place.home / key}" for key in ("access_key", "secret_key")]
    try:
        for words in (
            ("create", "secret", "generic", name, *keys),
            ("create", "-f", str(file)),
            ("create", "job", name, f"--from=cronjob/{name}"),
        ):
            ended = place.lab.run("kubectl", *inside, *words)
            assert ended.code == 0, ended.output
        waited = place.lab.run("kubectl", *inside, "wait", "--for=condition=complete", "--timeout=180s", f"job/{name}")
        log = place.lab.run("kubectl", *inside, "logs", f"job/{name}").output
        assert waited.code == 0, log
        assert "RESULT: PASS backup " in log
    finally:
        place.lab.run(
            "kubectl", *inside, "delete", "--ignore-not-found", f"cronjob/{name}", f"job/{name}", f"configmap/{name}", f"secret/{name}"
        )
    listed = place.run("backup", "lab", "--list")
    assert (listed.code, "scheduled" in listed.output, collection in listed.output) == (0, True, True), listed.output
