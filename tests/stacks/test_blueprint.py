"""The whole stack as declared: what is there, what hangs on what, what leaves it."""

import functools
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from stacks.blueprint import build
from stacks.problems import SettingsError
from stacks.settings import parse
from tests.deploy import API_KEY, NAMESPACE_UID, ROOT_PASSWORD, SECRET_KEY, Declared, deploy, resolved
from tests.stacks.test_settings import DIGEST, EXISTING, GOOD, GREENLAKE, configuration

LAB_FACTS: dict[str, Any] = {
    "images": {name: f"lab.local/{name}:1.0@{DIGEST}" for name in ("milvus", "embedding", "llm", "suite")},
    "object_store": {
        "endpoint": "https://10.88.255.2:7070",
        "iam_endpoint": "https://10.88.255.2:7071",
        "admin_profile": "lab-admin",
    },
}


def lab() -> dict[str, str]:
    """Merge the committed settings of the lab with the facts of a machine, as `./rag up` does."""
    committed = yaml.safe_load(Path("stacks/Pulumi.lab.yaml").read_text(encoding="utf-8"))["config"]
    values = {key.removeprefix("milvus-x10000:"): value for key, value in committed.items()}
    return configuration({**values, **{key: {**values.get(key, {}), **facts} for key, facts in LAB_FACTS.items()}})


def declared(configured: dict[str, str]) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: build(parse(configured)))}


@functools.cache
def declared_in_the_lab() -> dict[str, Declared]:
    return declared(lab())


@functools.cache
def declared_with_defaults() -> dict[str, Declared]:
    return declared(configuration(GOOD))


def test_the_lab_settings_are_good_and_declare_the_whole_system() -> None:
    found = declared_in_the_lab()
    tops = {name: item.type.rpartition(":")[2] for name, item in found.items() if not item.parent}
    assert tops == {
        "tenancy": "Tenancy",
        "object-store-ca": "Trust",
        "milvus-store": "ObjectStore",
        "documents-store": "ObjectStore",
        "preflight": "Preflight",
        "milvus": "Milvus",
        "milvus-foundation": "Foundation",
        "embedding": "Embedding",
        "llm": "Llm",
        "load-generators": "LoadGenerators",
        "ask": "Ask",
    }


def test_no_key_is_anywhere_but_in_its_secret() -> None:
    found = declared_in_the_lab()
    holders = {name for name, item in found.items() if SECRET_KEY in str(item.inputs)}
    assert holders == {"milvus-store-secret", "documents-store-secret"}
    keyed = {name for name, item in found.items() if API_KEY in str(item.inputs)}
    assert keyed == {"embedding-server-key-secret", "llm-server-key-secret", "ask-key-secret"}
    assert all(found[name].secrets == {"stringData"} for name in holders | keyed)


def test_milvus_has_an_unversioned_bucket_of_its_own_and_the_documents_a_versioned_one() -> None:
    found = declared_in_the_lab()
    buckets = {name: found[f"{name}-store-bucket"].inputs for name in ("milvus", "documents")}
    assert {name: (item["bucket"], item["versioned"]) for name, item in buckets.items()} == {
        "milvus": ("rag-milvus", False),
        "documents": ("rag-documents", True),
    }
    assert found["milvus-store-credential"].inputs["policy"] != found["documents-store-credential"].inputs["policy"]


def test_the_mark_tells_two_stacks_and_two_clusters_apart() -> None:
    found = declared_in_the_lab()
    assert {found[f"{name}-store-bucket"].inputs["owner"] for name in ("milvus", "documents")} == {f"milvus-x10000/test/{NAMESPACE_UID}"}


def test_data_is_protected_and_retained_unless_the_settings_say_otherwise() -> None:
    assert declared_with_defaults()["milvus-store-bucket"].request.protect
    assert declared_with_defaults()["milvus-store-bucket"].request.retainOnDelete
    assert not declared_in_the_lab()["milvus-store-bucket"].request.protect


def test_options_of_the_documents_never_reach_the_bucket_of_milvus() -> None:
    store = {**GOOD["object_store"], "documents_lock": {"days": 30}, "tags": {"cost-centre": "42"}}
    found = declared(configuration({**GOOD, "object_store": store}))
    milvus, documents = (found[f"{name}-store-bucket"].inputs for name in ("milvus", "documents"))
    assert (milvus["lock"], milvus["versioned"], milvus["tags"]) == ({}, False, {"cost-centre": "42"})
    assert (documents["lock"], documents["versioned"]) == ({"mode": "GOVERNANCE", "days": 30}, True)


def test_with_greenlake_bucket_and_users_are_made_through_its_api_and_no_secret_of_the_client_is_declared() -> None:
    found = declared(configuration({**GOOD, "object_store": {**GREENLAKE, "credential_generation": 2, "compression": True}}))
    tokens = {item.type.rpartition("/")[2] for item in found.values() if "dynamic" in item.type}
    assert {"greenlake:Bucket", "greenlake:Credential"} <= tokens
    assert not [token for token in tokens if token.startswith(("s3:", "existing:"))]
    assert {name for name in found if name.startswith("milvus-store-cr")} == {"milvus-store-credential", "milvus-store-credential-2"}
    bucket = found["milvus-store-bucket"]
    assert (bucket.inputs["owner"], bucket.inputs["compressed"]) == (f"milvus-x10000/test/{NAMESPACE_UID}/greenlake", True)
    assert (bucket.request.protect, bucket.request.retainOnDelete) == (True, True)
    assert not [name for name in bucket.inputs if "secret" in name or "client_id" in name]


def test_with_an_existing_store_nothing_is_made_on_it() -> None:
    found = declared(configuration({**GOOD, "object_store": EXISTING}))
    kinds = {item.type.partition("dynamic/")[2] for item in found.values() if "dynamic" in item.type}
    assert kinds == {"existing:Credential", "keys:Generated", "milvus:Foundation"}
    assert found["milvus-store-credential"].inputs["secret_name"] == "milvus-key"
    assert found["documents-store-credential"].inputs["secret_name"] == "documents-key"


def test_pods_that_cannot_fit_restricted_lower_the_level_and_only_they_do() -> None:
    label = "pod-security.kubernetes.io/enforce"
    levels = [declared(each)["tenancy-namespace"].inputs["metadata"]["labels"][label] for each in (lab(), configuration(GOOD))]
    assert levels == ["restricted", "baseline"]


def test_a_milvus_that_asks_who_is_there_has_a_password_for_root_that_only_its_secret_knows() -> None:
    found = declared(configuration({**GOOD, "milvus": {"authentication": True}}))
    holders = {name for name, item in found.items() if ROOT_PASSWORD in str(item.inputs)}
    assert holders == {"milvus-root-secret", "milvus-login"}
    assert found["milvus-root-secret"].inputs["stringData"] == {"username": "root", "password": ROOT_PASSWORD}
    assert found["milvus-root-secret"].secrets == {"stringData"}
    assert found["milvus-login"].secrets == {"password"}
    values = found["milvus-release"].inputs["values"]
    security = yaml.safe_load(values["extraConfigFiles"]["user.yaml"])["common"]["security"]
    assert security == {"authorizationEnabled": True, "enablePublicPrivilege": False}
    reference = next(item for item in values["standalone"]["extraEnv"] if item["name"] == "COMMON_SECURITY_DEFAULTROOTPASSWORD")
    assert reference["valueFrom"] == {"secretKeyRef": {"name": "milvus-root", "key": "password"}}


def test_milvus_waits_for_its_bucket_its_secret_and_its_namespace() -> None:
    dependencies = " ".join(declared_in_the_lab()["milvus-release"].request.dependencies)
    for name in ("milvus-store-bucket", "milvus-store-secret", "tenancy-namespace"):
        assert f"::{name}" in dependencies


def test_milvus_waits_until_the_store_has_passed_the_preflight() -> None:
    found = declared_in_the_lab()
    assert any(urn.endswith("::preflight-run") for urn in found["milvus"].request.dependencies)
    names = list(found)
    assert names.index("preflight-run") < names.index("milvus-release")


def test_the_preflight_has_the_secret_the_ca_and_the_endpoint_of_milvus(ca_file: Path) -> None:
    configured = lab()
    store = json.loads(configured["milvus-x10000:object_store"])
    configured["milvus-x10000:object_store"] = json.dumps({**store, "ca_file": str(ca_file)})
    found = declared(configured)
    values, pod = found["milvus-release"].inputs["values"], found["preflight-template"].inputs["template"]["spec"]
    secret, trust = pod["volumes"][1]["secret"]["secretName"], pod["volumes"][2]["configMap"]["name"]
    assert [secret] * 2 == [one["valueFrom"]["secretKeyRef"]["name"] for one in values["standalone"]["extraEnv"][:2]]
    assert trust == next(one["configMap"]["name"] for one in values["volumes"] if one["name"] == "object-store-ca")
    asked = pod["containers"][0]["args"]
    given = {name: asked[asked.index(name) + 1] for name in ("--endpoint", "--region", "--bucket", "--root-path")}
    external = values["externalS3"]
    assert given == {
        "--endpoint": f"https://{external['host']}:{external['port']}",
        "--region": external["region"],
        "--bucket": external["bucketName"],
        "--root-path": external["rootPath"],
    }


def test_without_an_image_of_the_suite_there_is_no_job_and_a_warning_that_says_what_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    configured = lab()
    images = json.loads(configured["milvus-x10000:images"])
    del images["suite"]
    for in_the_same_image in ("load_generators", "ask"):
        del configured[f"milvus-x10000:{in_the_same_image}"]
    found = declared({**configured, "milvus-x10000:images": json.dumps(images)})
    assert "preflight" not in found
    assert "milvus-release" in found
    assert len(told) == 1
    assert "from inside the cluster" in told[0]
    assert "docs/suite-image.md" in told[0]


@pytest.mark.parametrize("private", [True, False])
def test_the_outputs_are_what_the_gate_is_promised(private: bool, ca_file: Path) -> None:
    configured = lab()
    if private:
        store = json.loads(configured["milvus-x10000:object_store"])
        configured["milvus-x10000:object_store"] = json.dumps({**store, "ca_file": str(ca_file)})
    outputs = resolved(lambda: build(parse(configured)))
    assert outputs == {
        "namespace": "rag",
        "milvus_uri": "http://milvus.rag.svc.cluster.local:19530",
        "milvus_database": "default",
        "milvus_ca_config_map": "",
        "milvus_proxies": 1,
        "milvus_index": {
            "profile": "hnsw",
            "index_type": "HNSW",
            "metric_type": "COSINE",
            "params": {"M": 48, "efConstruction": 600},
            "search_params": {"ef": 256},
        },
        "milvus_root_secret_name": "",
        "milvus_search_secret_name": "",
        "milvus_ingest_secret_name": "",
        "milvus_admin_secret_name": "",
        "milvus_tenants": [],
        "milvus_bucket": "rag-milvus",
        "milvus_accepted_bypass": "",
        "milvus_root_path": "milvus",
        "milvus_wal": "rocksmq",
        "milvus_secret_name": "milvus-store",
        "documents_bucket": "rag-documents",
        "documents_secret_name": "documents-store",
        "object_store_endpoint": "https://10.88.255.2:7070",
        "object_store_region": "us-east-1",
        "object_store_ca_config_map": "object-store-ca" if private else "",
        "embedding_url": "http://embedding.rag.svc.cluster.local:8080/v1",
        "embedding_model": "multilingual-e5-small-q4",
        "embedding_dimension": 384,
        "embedding_query": {"prefix": "query: ", "options": {}},
        "embedding_passage": {"prefix": "passage: ", "options": {}},
        "llm_url": "http://llm.rag.svc.cluster.local:8080/v1",
        "llm_model": "lab-reader",
        "llm_context_tokens": 4096,
        "llm_answer_tokens": 512,
        "llm_temperature": 0,
        "embedding_secret_name": "embedding-api-key",
        "embedding_ca_config_map": "",
        "llm_secret_name": "llm-api-key",
        "llm_ca_config_map": "",
        "reranker": None,
        "load_pod_template": "load-generator",
        "ask_url": "http://ask.rag.svc.cluster.local:8080/",
        "ask_secret_name": "ask-api-key",
        "images": LAB_FACTS["images"],
        "chart": {"name": "lab/chart/milvus", "version": "0.1.0"},
        "promotion": None,
    }


def test_the_program_is_a_table_of_contents_and_exports_every_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = yaml.safe_load(lab()["milvus-x10000:cluster"])["context"]
    kubeconfig = {
        "contexts": [{"name": context, "context": {"cluster": "lab", "user": "me"}}],
        "clusters": [{"name": "lab", "cluster": {"server": "https://lab.test"}}],
        "users": [{"name": "me", "user": {}}],
        "current-context": context,
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    program = Path("__main__.py")
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 25
    exported: dict[str, Any] = {}

    def run() -> None:
        pulumi.runtime.set_all_config(lab())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulumi, "export", exported.__setitem__)
            runpy.run_path(str(program))

    deploy(run)
    assert exported.keys() == resolved(lambda: build(parse(lab()))).keys()


def test_the_namespace_with_its_volumes_is_protected_as_the_data_is() -> None:
    assert declared_with_defaults()["tenancy-namespace"].request.protect
    assert not declared_in_the_lab()["tenancy-namespace"].request.protect


def test_a_chart_that_is_edited_in_place_is_a_change_of_the_release(tmp_path: Path) -> None:
    chart = shutil.copytree("lab/chart/milvus", tmp_path / "milvus")
    settings = configuration({**GOOD, "milvus": {"chart": str(chart)}})

    def description() -> str:
        return str(declared(settings)["milvus-release"].inputs["description"])

    before = description()
    (chart / ".values.yaml.swp").write_text("of an editor")
    assert description() == before
    (chart / "values.yaml").write_text("edited: true\n")
    assert description() != before
    assert "description" not in declared_with_defaults()["milvus-release"].inputs, "a version says it all"


def test_a_program_that_changes_nothing_at_milvus_never_imports_its_client_which_takes_a_second() -> None:
    program = "import sys, stacks.blueprint; print(*({'pymilvus', 'pandas', 'stacks.blueprint'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["stacks.blueprint"]


def test_a_gate_on_a_schedule_with_nothing_to_judge_by_is_refused() -> None:
    suite = {"images": {**GOOD["images"], "suite": "registry.example.net/suite:1"}}
    settings = parse(configuration({**GOOD, **suite, "gate": {"slo_of": "nobody"}}))
    with pytest.raises(SettingsError, match=r"slo\.nobody\.yaml") as refused:
        deploy(lambda: build(settings))
    assert refused.value.code == "gate.slo"
