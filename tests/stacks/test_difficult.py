"""A platform that asks for much: every pod, account and monitor of the stack gets what it asks for."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from components.milvus_values import SELECTOR
from policies.subject import context_of, get, pod_spec, pod_template
from stacks import rendering
from stacks.commands.objects import judged
from stacks.problems import SettingsError
from stacks.rendering import Object
from stacks.settings import parse
from stacks.wiring import tenancy
from tests.stacks import difficult
from tests.stacks.test_settings import changed

PLATFORM = (
    "registry",
    "pods",
    "pod_security",
    "cluster",
    "monitoring",
    "access",
    "preflight",
    "load_generators",
    "ask",
    "backup",
    "gate",
    "quota",
    "network",
    "residency",
)
"""Groups of settings that are about the platform rather than about Milvus, a model or a store."""


@functools.cache
def rendered() -> list[Object]:
    return rendering.render(difficult.environment()).objects


def of_kind(kind: str) -> list[Mapping[str, Any]]:
    return [item.manifest for item in rendered() if item.kind == kind]


def with_pods() -> list[tuple[str, Mapping[str, Any]]]:
    """Every object of ours that makes pods, with the template of them; the chart's pods have their own tests."""
    subjects = [item.subject for item in rendered() if item.origin == "stack"]
    return [(subject.label, template) for subject in subjects if (template := pod_template(subject)) is not None]


def unset(group: BaseModel, path: str) -> Iterator[str]:
    """Settings that the environment leaves at their default."""
    for name in type(group).model_fields:
        value, here = getattr(group, name), f"{path}.{name}"
        if name not in group.model_fields_set:
            yield here
        for member in value if isinstance(value, tuple) else (value,):
            if isinstance(member, BaseModel) and not path.endswith("tolerations"):
                yield from unset(member, here)


@pytest.mark.parametrize("group", PLATFORM)
def test_every_setting_of_the_platform_is_set(group: str) -> None:
    left_out = list(unset(getattr(difficult.environment().settings, group), group))
    partly = {"pods.tolerations.value", "pods.tolerations.effect"}  # set at the first taint, left out at the second, as either may be
    assert set(left_out) <= partly


def test_what_milvus_says_of_the_platform_itself_is_set_too() -> None:
    assert {"node_selector", "tolerations", "service"} <= difficult.environment().settings.milvus.model_fields_set
    values = next(item.manifest["values"] for item in rendered() if item.kind == "Release")
    assert values["service"]["type"] == "LoadBalancer"
    assert values["proxy"]["nodeSelector"] == {"example.org/pool": "rag", "example.org/disk": "nvme"}
    assert values["queryNode"]["nodeSelector"]["example.org/pool"] == "large"
    keys = {key: {taint["key"].rpartition("/")[2] for taint in values[key]["tolerations"]} for key in ("proxy", "queryNode")}
    assert keys == {"proxy": {"dedicated", "drained", "milvus"}, "queryNode": {"dedicated", "drained", "large"}}


def test_the_pods_that_are_looked_at_are_all_of_ours() -> None:
    kinds = [name.partition(" ")[0] for name, _ in with_pods()]
    assert sorted(kinds) == [*["CronJob"] * 3, *["Deployment"] * 4, "PodTemplate", "PodTemplate"]


def test_every_pod_lands_on_the_nodes_that_are_meant_for_it() -> None:
    pools = {name: template["spec"]["nodeSelector"] for name, template in with_pods()}
    assert pools.pop("Deployment embedding") == {"example.org/pool": "gpu", "nvidia.com/gpu.product": "NVIDIA-L4"}
    assert all(selector == {"example.org/pool": "rag"} for selector in pools.values())
    for _, template in with_pods():
        assert template["spec"]["tolerations"][:2] == [
            {"key": "example.org/dedicated", "operator": "Equal", "value": "rag", "effect": "NoSchedule"},
            {"key": "example.org/drained", "operator": "Exists"},
        ]
        assert template["spec"]["priorityClassName"] == "rag-high"


def test_every_pod_is_marked_and_no_selector_depends_on_a_mark_that_may_change() -> None:
    for _, template in with_pods():
        assert template["metadata"]["labels"]["example.org/cost-centre"] == "4711"
        assert template["metadata"]["annotations"]["example.org/team"] == "search"
    for deployment in of_kind("Deployment"):
        assert "example.org/cost-centre" not in deployment["spec"]["selector"]["matchLabels"]


def test_no_pod_states_an_id_and_each_still_refuses_root() -> None:
    for _, template in with_pods():
        security = template["spec"]["securityContext"]
        assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for group in ("containers", "initContainers"):
            assert all("runAsUser" not in container["securityContext"] for container in template["spec"].get(group, []))


def test_every_account_pulls_with_the_secrets_of_the_registry() -> None:
    accounts = [account for account in of_kind("ServiceAccount") if account["metadata"]["name"] != "default"]  # under which no pod runs
    assert accounts
    assert all(account["imagePullSecrets"] == [{"name": "mirror"}, {"name": "mirror-of-models"}] for account in accounts)
    known = {account["metadata"]["name"] for account in accounts}
    assert all(template["spec"]["serviceAccountName"] in known for _, template in with_pods())


def test_a_pod_that_has_to_end_gets_no_sidecar_and_a_service_may_have_one() -> None:
    for name, template in with_pods():
        kept_away = template["metadata"]["labels"].get("sidecar.istio.io/inject") == "false"
        assert kept_away == name.startswith(("PodTemplate", "CronJob"))
        assert (template["metadata"]["annotations"].get("linkerd.io/inject") == "disabled") == kept_away


def test_no_object_names_the_usual_domain() -> None:
    assert "cluster.local" not in "".join(item.text for item in rendered() if item.origin == "stack")
    (preflight,) = (template for name, template in with_pods() if name == "PodTemplate preflight")
    asked = preflight["spec"]["containers"][0]["args"]
    assert asked[asked.index("--milvus-uri") + 1] == "http://milvus.knowledge.svc.k8s.example.org"


def test_every_model_service_has_a_monitor_that_prometheus_selects_and_that_has_the_key() -> None:
    monitors = {monitor["metadata"]["name"]: monitor for monitor in of_kind("ServiceMonitor")}
    services = {service["metadata"]["name"]: service for service in of_kind("Service")}
    assert {"embedding", "llm", "reranker"} <= monitors.keys()
    for name in ("embedding", "llm", "reranker"):
        spec, service = monitors[name]["spec"], services[name]
        assert monitors[name]["metadata"]["labels"]["release"] == "kube-prometheus-stack"
        assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        (endpoint,) = spec["endpoints"]
        assert endpoint["path"] == "/metrics"
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert endpoint["authorization"] == {"credentials": {"name": f"{name}-api-key", "key": "api_key"}}


def test_prometheus_reads_milvus_by_its_pods_and_no_service_has_the_port_of_its_metrics() -> None:
    (monitor,) = (each for each in of_kind("PodMonitor") if each["metadata"]["name"] == "milvus")
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert monitor["spec"]["selector"]["matchLabels"] == SELECTOR
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]
    (policy,) = (each for each in of_kind("NetworkPolicy") if each["metadata"]["name"] == "monitoring-to-milvus")
    assert policy["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 9091}]


def test_clients_outside_reach_the_port_of_the_proxy_and_nothing_else() -> None:
    (policy,) = (item for item in of_kind("NetworkPolicy") if item["metadata"]["name"] == "outside-to-milvus")
    (rule,) = policy["spec"]["ingress"]
    assert [peer["ipBlock"]["cidr"] for peer in rule["from"]] == ["10.20.0.0/16", "10.21.7.0/24"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 19530}]
    assert policy["spec"]["podSelector"]["matchLabels"]["component"] == "proxy"


def test_it_keeps_every_rule_but_for_images_that_are_not_pinned_yet() -> None:
    subjects = [item.subject for item in rendered()]
    broken = judged(subjects, context_of("difficult"), frozenset({"image-by-digest"}))
    assert [(rule, violation.subject.label, violation.text) for rule, violation in broken] == []


def test_its_house_is_locked_and_its_own_names_are_inside() -> None:
    settings = difficult.environment().settings
    tenancy.refuse_outside(settings)
    tenancy.refuse_too_much(settings)
    assert all(get(pod_spec(item.subject), "hostNetwork") is None for item in rendered())


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("monitoring.labels", {"release": "x"}, "no monitor is made unless monitoring.enabled is true"),
        ("monitoring.runbooks", "https://wiki.example.net/", "no alert is made unless monitoring.rules_of names an environment"),
        ("pods.labels", {"app.kubernetes.io/name": "x"}, "app.kubernetes.io/name"),
        ("pods.labels", {"component": "x"}, "component"),
        ("pods.annotations", {"milvus-x10000/credential-generation": "x"}, "milvus-x10000/credential-generation"),
        ("pods.tolerations", [{"key": "a", "effect": "Never"}], "'NoSchedule', 'PreferNoSchedule' or 'NoExecute'"),
        ("cluster.domain", "K8s.example.net", "lower-case"),
        ("cluster.domain", "cluster.local.", "without a dot at either end"),
        ("access.client_cidrs", ["0.0.0.0/0"], "every address there is"),
        ("access.client_cidrs", ["10.20.0.1/16"], "no range of addresses"),
        ("registry.pull_secrets", [""], "no name of an object"),
    ],
)
def test_a_setting_of_the_platform_that_cannot_be_meant_is_refused(key: str, value: Any, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed(key, value))
    assert key.partition(".")[0] in str(refused.value)
    assert why in str(refused.value)


def test_the_service_of_questions_mounts_every_secret_that_its_target_names() -> None:
    target = json.loads(next(each for each in of_kind("ConfigMap") if each["metadata"]["name"] == "ask-target")["data"]["target.json"])
    deployment = next(each for each in of_kind("Deployment") if each["metadata"]["name"] == "ask")
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    held = {next(iter(each.values()))["name"] for each in volumes["secrets"]["projected"]["sources"]}
    services = [target, target["reranker"]]
    named = {each.get(name) for each in services for name in ("embedding_secret_name", "llm_secret_name", "secret_name", "ca_config_map")}
    named |= {target[name] for name in ("documents_secret_name", "milvus_search_secret_name", "milvus_ca_config_map", "llm_ca_config_map")}
    named |= {target["object_store_ca_config_map"], *(f"milvus-{tenant}-search" for tenant in target["milvus_tenants"])}
    assert held == {name for name in named if name}
    assert {each["secret"]["items"][0]["path"] for each in volumes["keys"]["projected"]["sources"]} == {
        "default/api_key",
        *(f"{tenant}/api_key" for tenant in target["milvus_tenants"]),
    }
