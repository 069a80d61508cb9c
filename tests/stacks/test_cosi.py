"""A stack with object_store.driver=cosi: what it declares, in which order, what it refuses, and who may make it.

To accept a change: GOLDEN=write .venv/bin/pytest tests/stacks/test_cosi.py, then read the difference.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import rendering
from stacks.blueprint import build
from stacks.commands import rotate
from stacks.environments import Environment
from stacks.operations import pulumi_cli
from stacks.problems import SettingsError
from stacks.settings import deployable, parse
from stacks.yaml_files import dump
from tests.deploy import COSI_BUCKET, SECRET_KEY, Declared, deploy, resolved
from tests.stacks.test_settings import GOOD, configuration

GOLDEN = Path(__file__).parent / "golden" / "cosi.yaml"
COSI = {
    "driver": "cosi",
    "endpoint": "https://10.0.0.5:9000",
    "backend_secret": "hpe-object-backend",
    "backend_namespace": "hpe-cosi",
}
RIGHTS = list(yaml.safe_load_all(Path("docs/rbac-cosi.yaml").read_text(encoding="utf-8")))


def configured(**store: Any) -> dict[str, str]:
    return configuration({**GOOD, "object_store": {**COSI, **store}})


def stack(**store: Any) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: build(parse(configured(**store))))}


@cache
def plain() -> dict[str, Declared]:
    return stack()


def after(found: dict[str, Declared], name: str) -> set[str]:
    """Everything that is waited for before `name`, over all steps."""
    direct = {urn.rpartition("::")[2] for urn in found[name].request.dependencies}
    return direct.union(*(after(found, one) for one in direct if one in found))


def test_the_four_objects_of_both_buckets_are_what_was_read() -> None:
    options = {"compression": True, "tags": {"cost-centre": "42", "team": "rag"}, "documents_lock": {"days": 30}}
    found = rendering.declare("golden", lambda: build(parse(configured(**options, credential_generation=2))))
    ours = [item for item in found if item.type.startswith("pulumi-python:dynamic/cosi:")]
    now = "---\n".join(f"# {item.type} {item.name} protect={item.protect} retain={item.retain}\n{dump(dict(item.inputs))}" for item in ours)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(now, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == now


def test_one_object_after_another_and_the_second_bucket_after_all_of_the_first() -> None:
    found = stack(credential_generation=2)
    steps = ["class", "bucket", "access-class", "credential", "credential-2"]
    order = [f"{store}-store-{step}" for store in ("milvus", "documents") for step in steps]
    for number, name in enumerate(order):
        assert set(order[:number]) <= after(found, name), name


def test_the_outputs_are_those_of_every_driver_and_the_key_is_nowhere_but_in_its_secret() -> None:
    found = plain()
    assert {name for name, item in found.items() if SECRET_KEY in str(item.inputs)} == {"milvus-store-secret", "documents-store-secret"}
    assert set(found["milvus-store-secret"].inputs["stringData"]) == {"access_key", "secret_key"}
    for store in ("milvus", "documents"):
        assert set(found[f"{store}-store-credential"].request.additionalSecretOutputs) == {"access_key", "secret_key"}
    endpoints = resolved(lambda: build(parse(configured())))
    assert (endpoints["milvus_bucket"], endpoints["milvus_secret_name"]) == (COSI_BUCKET, "milvus-store")
    assert endpoints["object_store_endpoint"] == COSI["endpoint"]


def test_milvus_is_told_the_name_that_cosi_gave() -> None:
    assert plain()["milvus-release"].inputs["values"]["externalS3"]["bucketName"] == COSI_BUCKET


def test_a_claim_is_protected_and_retained_and_its_bucket_stays_whatever_is_set() -> None:
    kept, told = plain(), stack(on_destroy="delete", confirm_delete=["rag"])
    assert (kept["milvus-store-bucket"].request.protect, kept["milvus-store-bucket"].request.retainOnDelete) == (True, True)
    assert (told["milvus-store-bucket"].request.protect, told["milvus-store-bucket"].request.retainOnDelete) == (False, False)
    assert {each[f"{name}-store-class"].inputs["deletionPolicy"] for each in (kept, told) for name in ("milvus", "documents")} == {"Retain"}


@pytest.mark.parametrize(
    ("store", "key", "why"),
    [
        ({"milvus_bucket": "mine"}, "object_store.milvus_bucket", "COSI names every bucket itself"),
        ({"documents_bucket": "mine"}, "object_store.documents_bucket", "COSI names every bucket itself"),
        ({"encryption": "AES256"}, "object_store.encryption", "one of the driver 's3', and the driver here is 'cosi'"),
        ({"admin_profile": "x"}, "object_store.admin_profile", "one of the driver 's3', and the driver here is 'cosi'"),
        ({"tags": {"a": "b,c"}}, "object_store.tags", "other characters than"),
        ({"tags": {"a=b": "c"}}, "object_store.tags", "takes all tags as one text"),
        ({"tags": {"a": " b"}}, "object_store.tags", "no space at an end"),
        ({"ready_timeout_s": 0}, "object_store.ready_timeout_s", "greater than or equal to 1"),
        ({"backend_secret": ""}, "object_store.backend_secret", "no name of an object"),
        ({"on_destroy": "delete", "confirm_delete": ["rag-milvus", "rag-documents"]}, "", "If it is meant"),
    ],
)
def test_what_cosi_cannot_express_is_refused_with_the_reason(store: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configured(**store))
    assert key in str(refused.value)
    assert why in str(refused.value)


def test_a_rotation_tries_the_keys_on_the_bucket_that_cosi_named(monkeypatch: pytest.MonkeyPatch) -> None:
    urn = "urn:pulumi:x::milvus-x10000::milvus-x10000:index:ObjectStore$pulumi-python:dynamic/cosi:Credential::milvus-store-credential"
    secret = {"plaintext": '"k"'}
    outputs = {"access_key": secret, "secret_key": secret, "generation": "g", "bucket": COSI_BUCKET}
    found = [{"urn": urn, "outputs": outputs}, {"urn": f"{urn}-2", "outputs": outputs}]
    monkeypatch.setattr(pulumi_cli, "resources", lambda *_, **__: found)
    key = {"access_key": "k", "secret_key": "k", "generation": "g", "bucket": COSI_BUCKET}
    environment = Environment(name="x", settings=parse(configured()), source=GOLDEN, example=False)
    assert rotate._keys(environment) == {1: key, 2: key}


def test_two_environments_with_cosi_share_no_bucket_since_it_gives_no_name_twice(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.other.yaml").write_text(yaml.safe_dump({"config": {"milvus-x10000:object_store": COSI}}))
    assert not list(deployable.bucket_conflicts(parse(configured()), "mine", tmp_path))
    assert not list(deployable.bucket_conflicts(parse(configuration(GOOD)), "mine", tmp_path))


def test_a_locked_house_is_told_what_nobody_can_check(caplog: pytest.LogCaptureFixture) -> None:
    locked = {"mode": "locked", "allowed": ["10.0.0.5/32", "lab.local", "docker.io"]}
    chart = {"chart": "lab/chart/milvus", "wal": "rocksmq", "etcd": "embedded"}
    deploy(lambda: build(parse(configuration({**GOOD, "object_store": COSI, "milvus": chart, "residency": locked}))))
    assert "(dsccZone) is in its Secret hpe-cosi/hpe-object-backend" in caplog.text


def test_the_operator_may_make_every_object_and_change_no_class_of_others() -> None:
    rules = {manifest["kind"]: manifest["rules"] for manifest in RIGHTS if "rules" in manifest}
    found = [item for item in plain().values() if item.type.startswith("pulumi-python:dynamic/cosi:")]
    plurals = {item.inputs["kind"]: "bucketaccesses" if item.inputs["kind"] == "BucketAccess" else None for item in found}
    for item in found:
        resource = plurals[item.inputs["kind"]] or f"{item.inputs['kind'].lower()}{'es' if item.inputs['kind'].endswith('Class') else 's'}"
        scope = rules["Role" if "namespace" in item.inputs["metadata"] else "ClusterRole"]
        granted = {verb for rule in scope if resource in rule["resources"] for verb in rule["verbs"]}
        assert granted == {"get", "create", "patch", "delete"}, resource
        names = {name for rule in scope if resource in rule["resources"] for name in rule.get("resourceNames", [])}
        assert item.inputs["metadata"]["name"] in (names or {item.inputs["metadata"]["name"]})
    wide = [rule["verbs"] for rule in rules["ClusterRole"] if "resourceNames" not in rule]
    assert wide == [["create"]]
