"""Promises of the model services."""

from dataclasses import replace
from typing import Any

import pytest

from components import model_server
from components.model_server import ModelServer, ready_within_s
from components.models import Embedding, Llm
from components.pods import Gpu, Scaling, Toleration, placing_problem
from components.weights import Bucket, Cache, Hub, Volume
from tests.components.test_contract import EMBEDDING, LLM, SERVER
from tests.deploy import API_KEY, Declared, deploy, resolved

BUCKET = Bucket(
    endpoint="https://10.0.0.5:9000",
    region="us-east-1",
    bucket="weights",
    prefix="m/",
    secret_name="llm-weights",
    ca_config_map="object-store-ca",
    image="suite:1",
)
GPU = Gpu(
    product="NVIDIA-L4",
    count=2,
    memory_gib=24,
    memory_share=0.9,
    mig_profile=None,
    tolerations=(Toleration(key="nvidia.com/gpu"),),
    runtime_class="nvidia",
)


def declared(args: Any = SERVER) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: ModelServer("thing", "thing", args))}


def pod(args: Any = SERVER) -> dict[str, Any]:
    spec: dict[str, Any] = declared(args)["thing-deployment"].inputs["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("args", [SERVER, replace(SERVER, weights=BUCKET, size_gib=2)])
def test_no_container_of_the_pod_has_a_privilege_a_token_or_a_writable_root(args: Any) -> None:
    spec = pod(args)
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("thing", False)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


def test_the_two_services_run_their_own_command_behind_their_own_name() -> None:
    found = {item.name: item for item in deploy(lambda: (Embedding("embedding", EMBEDDING), Llm("llm", LLM)))}
    for name, command in (("embedding", "embedder"), ("llm", "reader")):
        spec = found[f"{name}-server-deployment"].inputs["spec"]
        assert spec["template"]["spec"]["containers"][0]["args"] == [command]
        assert found[f"{name}-server-service"].inputs["metadata"]["name"] == name
        assert found[f"{name}-server-service"].inputs["spec"]["selector"] == spec["selector"]["matchLabels"]


def test_the_address_is_the_service_inside_the_cluster() -> None:
    assert resolved(lambda: {"url": Embedding("embedding", EMBEDDING).url}) == {"url": "http://embedding.rag.svc.cluster.local:8080/v1"}


def test_the_key_is_in_its_secret_alone_and_the_pod_names_it_and_is_restarted_with_it() -> None:
    found = declared()
    assert [name for name, item in found.items() if API_KEY in str(item.inputs)] == ["thing-key-secret"]
    assert found["thing-key-secret"].secrets == {"stringData"}
    template = found["thing-deployment"].inputs["spec"]["template"]
    key = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "thing-api-key", "key": "api_key"}}}
    assert key in template["spec"]["containers"][0]["env"]
    assert template["metadata"]["annotations"] == {model_server.GENERATION: "k1"}


def test_a_model_has_as_long_to_load_as_its_size_takes_at_a_tenth_of_a_gib_per_second() -> None:
    probes = pod(replace(SERVER, size_gib=30))["containers"][0]
    assert probes["startupProbe"]["failureThreshold"] * probes["startupProbe"]["periodSeconds"] == 900
    assert probes["livenessProbe"]["failureThreshold"] == 6
    assert ready_within_s(replace(SERVER, size_gib=30)) == 1200
    assert declared(replace(SERVER, size_gib=30))["thing-deployment"].inputs["spec"]["progressDeadlineSeconds"] == 1200


def test_weights_from_a_bucket_are_copied_by_an_init_container_that_alone_holds_the_key_of_the_store() -> None:
    found = declared(replace(SERVER, weights=BUCKET, size_gib=2))
    spec = found["thing-deployment"].inputs["spec"]["template"]["spec"]
    loader, engine = spec["initContainers"][0], spec["containers"][0]
    environment = {entry["name"]: entry for entry in loader["env"]}
    assert environment["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "llm-weights", "key": "secret_key"}
    assert environment["AWS_CA_BUNDLE"]["value"] == "/etc/load-weights-ca/ca.crt"
    assert not [entry for entry in engine["env"] if entry["name"].startswith("AWS")]
    mounts = {mount["mountPath"]: mount for mount in engine["volumeMounts"]}
    assert mounts["/weights"] == {"name": "weights", "mountPath": "/weights", "readOnly": True}
    assert "/etc/load-weights" not in mounts
    assert "boto3" in found["thing-load-weights"].inputs["data"]["load_weights.py"]


def test_with_a_cache_volume_weights_stay_when_the_pod_goes() -> None:
    found = declared(replace(SERVER, weights=BUCKET, size_gib=2, cache=Cache(size_gib=4, storage_class=None, shared=False)))
    assert found["thing-cache"].inputs["spec"]["accessModes"] == ["ReadWriteOnce"]
    spec = found["thing-deployment"].inputs["spec"]
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert volumes["cache"] == {"name": "cache", "persistentVolumeClaim": {"claimName": "thing-cache"}}
    assert "weights" not in volumes
    assert spec["template"]["spec"]["initContainers"][0]["volumeMounts"][0] == {
        "name": "cache",
        "mountPath": "/weights",
        "subPath": "weights",
    }
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_volume_is_mounted_read_only_and_a_hub_gets_its_token_from_a_secret() -> None:
    spec = pod(replace(SERVER, weights=Volume(claim="models", path="bge")))
    assert {"name": "weights", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}} in spec["volumes"]
    assert {"name": "weights", "mountPath": "/weights", "readOnly": True, "subPath": "bge"} in spec["containers"][0]["volumeMounts"]
    environment = pod(replace(SERVER, weights=Hub(token_secret="hub")))["containers"][0]["env"]
    assert {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}} in environment


def test_gpus_are_asked_for_by_product_and_count_and_the_old_pod_goes_first() -> None:
    found = declared(replace(SERVER, gpu=GPU))["thing-deployment"].inputs["spec"]
    spec = found["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert spec["runtimeClassName"] == "nvidia"
    assert found["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_of_several_pods_a_drain_takes_one_at_a_time_and_a_single_one_is_let_go() -> None:
    assert "thing-budget" not in declared()
    for args in (replace(SERVER, replicas=2), replace(SERVER, scaling=scaled(70, None))):
        budget = declared(args)["thing-budget"].inputs["spec"]
        assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]["app.kubernetes.io/name"]) == (1, "thing")


def scaled(cpu_percent: int | None, waiting_requests: int | None) -> Scaling:
    return Scaling(least=1, most=4, cpu_percent=cpu_percent, waiting_requests=waiting_requests, prometheus_url="http://prometheus:9090")


def test_by_cpu_an_autoscaler_decides_how_many_pods_and_the_stack_does_not() -> None:
    found = declared(replace(SERVER, scaling=scaled(70, None)))
    assert "replicas" not in found["thing-deployment"].inputs["spec"]
    assert found["thing-scaler"].type == "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
    assert found["thing-scaler"].inputs["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_an_engine_without_metrics_has_no_monitor_and_without_monitoring_none_has() -> None:
    engine = replace(SERVER.engine, metrics_path="/metrics")
    assert "thing-monitor" in declared(replace(SERVER, engine=engine, monitor_labels={}))
    assert "thing-monitor" not in declared(replace(SERVER, engine=engine))
    assert "thing-monitor" not in declared(replace(SERVER, monitor_labels={}))


def test_by_queue_keda_asks_prometheus_for_the_engines_own_gauge() -> None:
    engine = replace(SERVER.engine, queue_metric="te_queue_size")
    found = declared(replace(SERVER, engine=engine, scaling=scaled(None, 4)))["thing-scaler"]
    assert found.type == "kubernetes:keda.sh/v1alpha1:ScaledObject"
    trigger = found.inputs["spec"]["triggers"][0]
    assert trigger["metadata"] == {
        "serverAddress": "http://prometheus:9090",
        "query": 'sum(te_queue_size{namespace="rag", pod=~"thing-.*"})',
        "threshold": "4",
    }


def node(name: str, product: str | None, count: int, *taints: dict[str, str]) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": product} if product else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": {"nvidia.com/gpu": str(count)} if count else {}},
    }


TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([], "the cluster has no node"),
        ([node("cpu-1", None, 0)], "cpu-1: has no label nvidia.com/gpu.product"),
        ([node("gpu-1", "NVIDIA-A10", 4)], "gpu-1: has 'NVIDIA-A10'"),
        ([node("gpu-1", "NVIDIA-L4", 1)], "gpu-1: has 1 x nvidia.com/gpu"),
        ([node("gpu-1", "NVIDIA-L4", 2, {"key": "team", "value": "a", "effect": "NoExecute"})], "gpu-1: is tainted team"),
    ],
)
def test_what_no_node_can_have_is_said_with_what_was_found(nodes: list[dict[str, Any]], found: str) -> None:
    problem = placing_problem(GPU, nodes)
    assert problem.startswith("no node can have 2 x nvidia.com/gpu of 'NVIDIA-L4': ")
    assert found in problem
    assert "kubectl get nodes -L nvidia.com/gpu.product" in problem


def test_one_node_that_fits_is_enough() -> None:
    assert placing_problem(GPU, [node("cpu-1", None, 0), node("gpu-1", "NVIDIA-L4", 2, TAINT)]) == ""
    mig = replace(GPU, mig_profile="1g.10gb", count=1)
    assert mig.limits() == {"nvidia.com/mig-1g.10gb": "1"}
