"""The Job that looks at the store before Milvus is there."""

import json
from dataclasses import replace
from typing import Any

import pytest

from components import flows
from components.flows import Endpoint, Layout, table
from components.milvus_values import MilvusStore
from components.preflight import CONTAINER, Preflight, PreflightArgs, PreflightRunProvider
from tests.deploy import Declared, deploy
from validation.__main__ import load

STORE = MilvusStore(
    endpoint="https://store.example.net:9000",
    region="us-east-1",
    bucket="rag-milvus",
    root_path="milvus",
    secret_name="milvus-store",
    credential_generation="g1",
    ca_config_map="object-store-ca",
    ca_sha256="c" * 64,
)
ARGS = PreflightArgs(
    namespace="rag", account="suite", image="suite:1", store=STORE, other_bucket="rag-documents", wal="rocksmq", performance=False
)


def declared(args: PreflightArgs) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: Preflight("preflight", args))}


def name_of(args: PreflightArgs) -> str:
    return str(declared(args)["preflight-run"].inputs["job"])


def pod_of(args: PreflightArgs) -> Any:
    return declared(args)["preflight-template"].inputs["template"]["spec"]


def test_the_same_question_is_not_asked_twice() -> None:
    assert name_of(ARGS) == name_of(replace(ARGS))


@pytest.mark.parametrize(
    "changed",
    [
        replace(ARGS, image="suite:2"),
        replace(ARGS, wal="woodpecker"),
        replace(ARGS, performance=True),
        replace(ARGS, store=replace(STORE, credential_generation="g2")),
        replace(ARGS, store=replace(STORE, ca_sha256="d" * 64)),
        replace(ARGS, store=replace(STORE, bucket="other")),
        replace(ARGS, store=replace(STORE, endpoint="https://store.example.net:9001")),
    ],
)
def test_whatever_changes_for_milvus_is_a_new_job(changed: PreflightArgs) -> None:
    assert name_of(changed) != name_of(ARGS)


def test_the_run_waits_for_the_template_and_for_the_container_that_is_the_preflight() -> None:
    found = declared(ARGS)
    assert found["preflight-run"].inputs["template"] == found["preflight-template"].inputs["metadata"]["name"]
    assert any(urn.endswith("::preflight-template") for urn in found["preflight-run"].request.dependencies)
    assert [container["name"] for container in pod_of(ARGS)["containers"]] == [CONTAINER]


def test_the_pod_fits_restricted_and_holds_no_token() -> None:
    pod = pod_of(ARGS)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    security = pod["containers"][0]["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


def test_the_key_comes_as_files_and_is_no_argument_and_no_variable() -> None:
    pod = pod_of(ARGS)
    container = pod["containers"][0]
    assert "env" not in container
    asked = container["args"]
    directory = asked[asked.index("--credential-dir") + 1]
    volume = next(mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == directory)
    assert next(one for one in pod["volumes"] if one["name"] == volume)["secret"]["secretName"] == "milvus-store"


def test_the_job_knows_where_milvus_will_be_so_that_its_objects_are_not_taken_for_another_ones() -> None:
    asked = pod_of(ARGS)["containers"][0]["args"]
    assert asked[asked.index("--milvus-uri") + 1] == "http://milvus.rag.svc.cluster.local"


@pytest.mark.parametrize("args", [ARGS, replace(ARGS, performance=True, wal="woodpecker")])
def test_the_command_line_of_the_suite_understands_every_argument(args: PreflightArgs) -> None:
    asked = [str(part) for part in pod_of(args)["containers"][0]["args"]]
    command = load(asked[0])
    given = command.make_context("preflight", asked[1:]).params
    assert (given["bucket"], given["other_bucket"], given["root_path"]) == ("rag-milvus", "rag-documents", "milvus")
    assert given["milvus_uri"].startswith("http://milvus.rag.svc.cluster.local")
    assert given["performance"] is args.performance


def test_performance_is_measured_on_request_only() -> None:
    assert "--no-performance" in pod_of(ARGS)["containers"][0]["args"]
    assert "--no-performance" not in pod_of(replace(ARGS, performance=True))["containers"][0]["args"]


def test_without_a_private_ca_none_is_mounted_or_named() -> None:
    assert "ca" not in json.dumps(pod_of(replace(ARGS, store=replace(STORE, ca_sha256="", ca_config_map="")))["volumes"]).split('"')
    assert "--ca-file" not in pod_of(replace(ARGS, store=replace(STORE, ca_sha256="")))["containers"][0]["args"]


def test_the_pod_is_the_part_that_the_network_policies_let_out_to_the_store() -> None:
    labels = declared(ARGS)["preflight-template"].inputs["template"]["metadata"]["labels"]
    store = Endpoint(name="store", url=STORE.endpoint, users=("suite",), why="")
    found = flows.policies(table(Layout(cluster=False, etcd=False, services={}, endpoints=(store,))))
    _, spec = found["suite-to-store"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert spec["egress"][0]["ports"] == [{"protocol": "TCP", "port": 9000}]


def test_a_state_that_only_names_another_place_of_the_class_runs_no_preflight_again() -> None:
    same = {"namespace": "rag", "template": "preflight", "job": "preflight-1"}
    assert PreflightRunProvider().update("preflight-1", same, same).outs == same, "no cluster is asked: there is none here"
