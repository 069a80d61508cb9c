"""Three faults of a store behind which Milvus fails: shown by a Milvus of its own on the lab, and the preflight is red for each before it.

One Milvus 2.3.5 stands behind a proxy that misbehaves while a fault is on. It must work before and after: so the fault is the cause.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import pytest
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus has no types

from lab.places import network
from tests.e2e.access.own_milvus import apply, install, secret, small_values
from tests.e2e.lab import Lab
from tests.validation.suites.preflight import faults
from tests.validation.suites.preflight.conftest import BUCKET, Preflight, Site, found
from tests.validation.suites.preflight.faults import Changed, Fault, Made, between, error
from tests.validation.suites.preflight.test_kinds import body, flipped, header, larger
from validation.checks.registry import Check
from validation.checks.storage.context import StoreContext
from validation.checks.storage.integrity import sizes
from validation.checks.storage.permissions import permissions
from validation.judge.errors import Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

ROWS, DIMENSION = 4_000, 128
"""2 MiB of vectors in one segment: objects larger than 512 KiB, and more rows than the 1,024 below which nothing is indexed."""
LONGEST_S = 180
LEAST_S = 40
"""Whole seconds: pymilvus waits for an index without end where a time-out is a float."""
VECTORS = np.random.default_rng(17).standard_normal((ROWS, DIMENSION)).astype(np.float32)


@dataclass(frozen=True)
class Behind:
    """A Milvus that works behind a proxy, the switch of its faults, and how long it needs without one."""

    uri: str
    switch: faults.Switch
    patience_s: int


@pytest.fixture(scope="module")
def milvus(lab: Lab, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """Install it in a namespace of its own, on a bucket and a store of this test."""
    namespace, switch = f"faults-{secrets.token_hex(3)}", faults.Switch()
    with between(site.server, switch, str(network().host)) as endpoint:
        lab.run("kubectl", "create", "namespace", namespace)
        try:
            key = {name: (site.keys["milvus"] / name).read_text().strip() for name in ("access_key", "secret_key")}
            apply(lab, secret(namespace, "milvus-store", **key))
            certificates = lab.kubectl("-n", "rag", "get", "configmap", "object-store-ca")
            apply(lab, {**certificates, "metadata": {"name": "object-store-ca", "namespace": namespace}})
            values = small_values(lab)
            place = {"host": urlsplit(endpoint).hostname, "port": str(urlsplit(endpoint).port), "useSSL": False, "bucketName": BUCKET}
            environment = [each for each in values["standalone"]["extraEnv"] if each["name"] != "MINIO_PORT"]
            values["standalone"] |= {"extraEnv": [*environment, {"name": "MINIO_PORT", "value": place["port"]}]}
            values["standalone"]["persistence"] = {**values["standalone"]["persistence"], "enabled": False}
            uri = install(lab, namespace, tmp_path_factory.mktemp("milvus"), {**values, "externalS3": {**values["externalS3"], **place}})
            begin = time.monotonic()
            assert trouble(uri, LONGEST_S) == ""
            yield Behind(uri, switch, max(LEAST_S, round(2 * (time.monotonic() - begin))))
        finally:
            switch.on = Fault()
            lab.run("kubectl", "delete", "namespace", namespace)
            with site.admin.s3() as s3:
                for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
                    for each in page.get("Contents", []):
                        s3.delete_object(Bucket=BUCKET, Key=each["Key"])


def trouble(uri: str, patience_s: int) -> str:
    """Return which step of a collection's life failed and how, "" where each of ten rows is its own nearest."""
    step, name = "connect", f"behind_{secrets.token_hex(3)}"
    try:
        with closing(MilvusClient(uri=uri, timeout=patience_s)) as client:
            step = "create"
            client.create_collection(name, dimension=DIMENSION, metric_type="L2", timeout=patience_s)
            client.release_collection(name, timeout=patience_s)
            client.drop_index(name, "vector", timeout=patience_s)
            step = "insert"
            client.insert(name, [{"id": number, "vector": vector} for number, vector in enumerate(VECTORS)], timeout=patience_s)
            step = "flush"
            client.flush(name, timeout=patience_s)
            step = "index"
            index = client.prepare_index_params(field_name="vector", index_type="IVF_FLAT", metric_type="L2", params={"nlist": 16})
            client.create_index(name, index, timeout=patience_s)
            step = "indexed rows"
            _wait_for_index(client, name, patience_s)
            step = "load"
            client.load_collection(name, timeout=patience_s)
            step = "search"
            hits = client.search(name, list(VECTORS[:10]), limit=1, search_params={"params": {"nprobe": 16}}, timeout=patience_s)
            client.drop_collection(name, timeout=patience_s)
            nearest = [answer[0]["id"] if answer else None for answer in hits]
            return "" if nearest == list(range(10)) else f"search: the nearest rows are {nearest}"
    except (MilvusException, TimeoutError) as problem:
        return f"{step}: {problem}"


def _wait_for_index(client: MilvusClient, name: str, patience_s: int) -> None:
    deadline = time.monotonic() + patience_s
    while (seen := client.describe_index(name, "vector"))["indexed_rows"] < ROWS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seen['indexed_rows']} of {ROWS} rows are indexed after {patience_s:.0f} s")
        time.sleep(1)


FAULTS: dict[str, tuple[Fault, Check[StoreContext], str]] = {
    "no Last-Modified": (Changed("HEAD|GET", "", header("Last-Modified", None)), permissions, "does_head"),
    "a damaged byte": (Changed("GET", "", body(flipped(0), 65_536)), sizes, "does_sizes"),
    "large objects refused": (Made("PUT", "", larger(2**19, error(400, "EntityTooLarge"))), sizes, "does_sizes"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_milvus_fails_behind_this_store_and_the_preflight_is_red_before_it(name: str, run: Preflight, site: Site, milvus: Behind) -> None:
    fault, question, row = FAULTS[name]
    with between(site.server, fault) as endpoint:
        record = run(question, endpoint=endpoint, ca_file=None, installed=True)
    assert (record.exit_code, found(record, row).outcome) == (1, Outcome.FAIL)
    milvus.switch.on = fault
    begin = time.monotonic()
    failed = trouble(milvus.uri, milvus.patience_s)
    print(f"{name}: Milvus without the fault at most {milvus.patience_s / 2:.0f} s, with it {time.monotonic() - begin:.0f} s: {failed}")
    milvus.switch.on = Fault()
    assert failed
    deadline = time.monotonic() + LONGEST_S
    while healed := trouble(milvus.uri, LONGEST_S):
        assert time.monotonic() < deadline, healed
        time.sleep(5)
