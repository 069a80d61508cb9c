"""Every rule passes what is right and names what is wrong, without repeating a secret."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policies.rules import RULES
from policies.subject import Context, Subject, context_of
from stacks import environments, rendering
from stacks.commands.objects import judged

PRODUCTION = Context(production=True, throwaway=False, allowed_hosts=("registry.example.net", "docker.io"))
TRIAL = Context(production=False, throwaway=True)
DIGEST = "@sha256:" + "ab" * 32
LABELS = {"app": "milvus"}

Change = Callable[[dict[str, Any]], object]


def deployment(change: Change = lambda _: None, *, replicas: int = 1, kind: str = "Deployment") -> Subject:
    """Return one that breaks no rule, after `change`."""
    container = {
        "name": "main",
        "image": f"registry.example.net/milvus:v2.6.15{DIGEST}",
        "env": [{"name": "MINIO_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "milvus", "key": "secret_key"}}}],
        "args": ["milvus", "run", "proxy"],
        "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
        "containers": [container],
        "volumes": [{"name": "t", "emptyDir": {}}],
    }
    content = {"kind": kind, "spec": {"replicas": replicas, "template": {"metadata": {"labels": LABELS}, "spec": pod}}}
    content = copy.deepcopy(content)
    change(content)
    return Subject(kind=kind, name="proxy", content=content, protect=False)


def container(change: Change) -> Subject:
    return deployment(lambda content: change(content["spec"]["template"]["spec"]["containers"][0]))


def pod(change: Change) -> Subject:
    return deployment(lambda content: change(content["spec"]["template"]["spec"]))


def thing(kind: str, content: dict[str, Any], *, protect: bool = False) -> Subject:
    return Subject(kind=kind, name="it", content=content, protect=protect)


def budget(**spec: object) -> Subject:
    return thing("PodDisruptionBudget", {"spec": {"selector": {"matchLabels": LABELS}, **spec}})


def broken(*subjects: Subject, context: Context = PRODUCTION) -> Iterator[str]:
    return (name for name, _ in judged(list(subjects), context))


GOOD: list[tuple[str, list[Subject]]] = [
    ("image-by-digest", [deployment()]),
    ("requests-and-limits", [deployment()]),
    ("not-root", [deployment()]),
    ("not-root", [pod(lambda spec: (spec.pop("securityContext"), spec["containers"][0]["securityContext"].update(runAsNonRoot=True)))]),
    ("no-privilege", [deployment()]),
    ("no-plain-credential", [deployment()]),
    ("no-plain-credential", [thing("ConfigMap", {"data": {"user.yaml": "minio:\n  secretAccessKey: ''\n  accessKeyID:\n  ssl: {}\n"}})]),
    ("no-plain-credential", [thing("Secret", {"stringData": {"secret_key": "<secret>"}})]),
    ("no-plain-credential", [thing("Release", {"values": {"externalS3": {"accessKey": "", "secretKey": ""}}})]),
    ("disruption-budget", [deployment(replicas=2), budget(maxUnavailable=1)]),
    ("disruption-budget", [deployment(replicas=1)]),
    ("data-is-kept", [thing("Bucket", {}, protect=True), thing("Namespace", {}, protect=True)]),
    ("data-is-kept", [thing("PersistentVolumeClaim", {"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}})]),
    ("data-is-kept", [thing("PersistentVolumeClaim", {"metadata": {"labels": {"milvus-x10000/content": "cache"}}})]),
    ("data-is-kept", [deployment(kind="StatefulSet")]),
    ("residency", [deployment()]),
]

SCALER = thing("HorizontalPodAutoscaler", {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "proxy"}, "minReplicas": 2}})

BAD: list[tuple[str, list[Subject], str]] = [
    ("image-by-digest", [container(lambda it: it.update(image="milvusdb/milvus:v2.6.15"))], "milvusdb/milvus:v2.6.15"),
    ("image-by-digest", [pod(lambda it: it.update(initContainers=[{**it["containers"][0], "image": "busybox"}]))], "busybox"),
    ("requests-and-limits", [container(lambda it: it["resources"].pop("limits"))], "limits.memory"),
    ("requests-and-limits", [container(lambda it: it.pop("resources"))], "requests.cpu, requests.memory, limits.memory"),
    ("not-root", [pod(lambda it: it.pop("securityContext"))], "may run as root"),
    ("not-root", [container(lambda it: it["securityContext"].update(runAsUser=0))], "may run as root"),
    ("not-root", [container(lambda it: it["securityContext"].update(runAsNonRoot=False))], "may run as root"),
    ("no-privilege", [container(lambda it: it["securityContext"].update(privileged=True))], "privileged"),
    ("no-privilege", [container(lambda it: it.pop("securityContext"))], "allowPrivilegeEscalation"),
    ("no-privilege", [container(lambda it: it["securityContext"].update(capabilities={"add": ["NET_ADMIN"]}))], "NET_ADMIN"),
    ("no-privilege", [pod(lambda it: it.update(hostNetwork=True))], "hostNetwork"),
    ("no-privilege", [pod(lambda it: it["volumes"].append({"name": "host", "hostPath": {"path": "/etc"}}))], "hostPath /etc"),
    ("no-plain-credential", [container(lambda it: it["env"].append({"name": "ETCD_PASSWORD", "value": "s3cr3t"}))], "ETCD_PASSWORD"),
    ("no-plain-credential", [container(lambda it: it["args"].append("--secret-key=s3cr3t"))], "an argument"),
    ("no-plain-credential", [thing("ConfigMap", {"data": {"default.yaml": "minio:\n  secretAccessKey: s3cr3t\n"}})], "secretAccessKey"),
    ("no-plain-credential", [thing("ConfigMap", {"data": {"tls.pem": "-----BEGIN PRIVATE KEY-----\ns3cr3t\n"}})], "private key"),
    ("no-plain-credential", [thing("Release", {"values": {"externalS3": {"secretKey": "s3cr3t"}}})], "externalS3.secretKey"),
    ("no-plain-credential", [thing("Secret", {"stringData": {"rootPassword": "Milvus"}})], "everybody knows"),
    ("disruption-budget", [deployment(replicas=2)], "2 replicas and no PodDisruptionBudget"),
    ("disruption-budget", [deployment(replicas=-1), SCALER], "2 replicas and no PodDisruptionBudget"),
    ("disruption-budget", [deployment(replicas=2), budget(maxUnavailable=0)], "no disruption at all"),
    ("data-is-kept", [thing("Bucket", {})], "on_destroy to retain"),
    ("data-is-kept", [thing("Namespace", {})], "all volumes"),
    ("data-is-kept", [thing("PersistentVolumeClaim", {})], "helm uninstall"),
    (
        "data-is-kept",
        [deployment(lambda it: it["spec"].update(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}), kind="StatefulSet")],
        "deletes its volumes",
    ),
    ("residency", [container(lambda it: it["args"].append("--endpoint=https://evil.example.org"))], "evil.example.org"),
]


@pytest.mark.parametrize(("rule", "subjects"), GOOD)
def test_what_is_right_passes_every_rule(rule: str, subjects: list[Subject]) -> None:
    assert rule in {each.name for each in RULES}
    assert list(broken(*subjects)) == []


@pytest.mark.parametrize(("rule", "subjects", "said"), BAD)
def test_what_is_wrong_breaks_its_rule_and_no_other_and_is_named(rule: str, subjects: list[Subject], said: str) -> None:
    found = judged(subjects, PRODUCTION)
    assert {name for name, _ in found} == {rule}
    assert said in found[0][1].text
    assert "s3cr3t" not in " ".join(violation.text for _, violation in found)


def test_every_rule_has_one_that_passes_and_one_that_fails() -> None:
    names = {rule.name for rule in RULES}
    assert {rule for rule, _ in GOOD} == names
    assert {rule for rule, *_ in BAD} == names


def test_a_pod_template_that_runs_nothing_yet_is_judged_as_what_is_made_of_it_later() -> None:
    right = deployment().content["spec"]["template"]
    assert list(broken(thing("PodTemplate", {"kind": "PodTemplate", "template": right}))) == []
    right["spec"]["containers"][0]["image"] = "suite:latest"
    assert list(broken(thing("PodTemplate", {"kind": "PodTemplate", "template": right}))) == ["image-by-digest"]


def test_a_trial_may_name_images_by_tag_and_lose_its_data() -> None:
    tagged = container(lambda it: it.update(image="milvusdb/milvus:v2.6.15"))
    assert list(broken(tagged, thing("Bucket", {}), thing("Namespace", {}), context=TRIAL)) == []


@pytest.mark.parametrize("stack", ["prod", "hybrid", "prod-eu", "anything"])
def test_a_stack_that_nobody_calls_a_trial_is_production(stack: str) -> None:
    assert (context_of(stack).production, context_of(stack).throwaway) == (True, False)
    assert context_of("lab") == TRIAL


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_is_green(name: str) -> None:
    environment = environments.load(name, own_files_only=True)
    subjects = [item.subject for item in rendering.render(environment).objects]
    found = judged(subjects, context_of(name), frozenset({"image-by-digest"}))
    assert [f"{rule}: {violation.subject.label}: {violation.text}" for rule, violation in found] == []
