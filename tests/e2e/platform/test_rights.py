"""The operator's account against the real API server: what docs/rbac.md says that it may do it may, and everything else is refused.

The manifest is applied for a namespace of this test, and every request here carries the token of its ServiceAccount alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from components.waiting import until
from lab.daemons import PAUSE_IMAGE
from tests.e2e import operator_account
from tests.e2e.lab import Ended, Lab

pytestmark = pytest.mark.e2e

NAMESPACE = "rag-rights"
LEVEL = "pod-security.kubernetes.io/enforce"
WAIT_S = 60
RULES = next(each["rules"] for each in yaml.safe_load_all(Path("docs/rbac.yaml").read_text(encoding="utf-8")) if each["kind"] == "Role")
MAY = [(verb, group, resource) for rule in RULES for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]]


@dataclass(frozen=True)
class Operator:
    """The account."""

    lab: Lab
    kubeconfig: Path

    def kubectl(self, *arguments: str) -> Ended:
        return self.lab.run("kubectl", *arguments, environment={"KUBECONFIG": str(self.kubeconfig)})

    def apply(self, manifest: dict[str, Any], folder: Path) -> Ended:
        file = folder / "manifest.json"
        file.write_text(json.dumps(manifest))
        return self.kubectl("apply", "-f", str(file))


@pytest.fixture(scope="module")
def operator(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    try:
        account = operator_account.kubeconfig(lab, NAMESPACE, tmp_path_factory.mktemp("rights"))
        for attempt in (
            ["-n", NAMESPACE, "run", "probe", f"--image={PAUSE_IMAGE}"],
            ["label", "namespace", NAMESPACE, f"{LEVEL}=privileged"],
        ):
            # a policy counts a moment after it was taken
            until(lambda attempt=attempt: lab.run("kubectl", *attempt, "--dry-run=server").code or None, timeout_s=WAIT_S)  # type: ignore[misc]
        yield Operator(lab, account)
    finally:
        operator_account.remove(lab, NAMESPACE)


def test_all_that_the_manifest_grants_is_allowed_in_its_namespace_and_nothing_of_it_beside(operator: Operator) -> None:
    denied, elsewhere = [], []
    with config.new_client_from_config(config_file=str(operator.kubeconfig)) as api:  # type: ignore[no-untyped-call]  # not annotated
        for verb, group, resource in MAY:
            name = f"{verb} {resource}"
            denied += [] if _may(api, NAMESPACE, verb, group, resource) else [name]
            elsewhere += [name] if _may(api, "kube-system", verb, group, resource) else []
    assert len(MAY) > 100
    assert (denied, elsewhere) == ([], [])


def _may(api: client.ApiClient, namespace: str, verb: str, group: str, resource: str) -> bool:
    kind, _, sub = resource.partition("/")
    attributes = client.V1ResourceAttributes(namespace=namespace, group=group, resource=kind, subresource=sub or None, verb=verb)
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    status = client.AuthorizationV1Api(api).create_self_subject_access_review(review).status
    return bool(status is not None and status.allowed)


def test_it_makes_reads_and_removes_a_secret_of_its_namespace_and_sees_other_namespaces_by_name_alone(operator: Operator) -> None:
    made = operator.kubectl("-n", NAMESPACE, "create", "secret", "generic", "own", "--from-literal=key=value")
    assert made.code == 0, made.output
    assert operator.kubectl("-n", NAMESPACE, "get", "secret", "own").code == 0
    assert operator.kubectl("-n", NAMESPACE, "delete", "secret", "own").code == 0
    assert "kube-system" in operator.kubectl("get", "namespaces", "-o", "name").output


ROLE = ["create", "role", "more", "--verb=get", "--resource=secrets"]
REFUSED = {
    "a Secret of another namespace": ["-n", "rag", "get", "secret", "milvus-store"],
    "Secrets of all namespaces": ["get", "secrets", "--all-namespaces"],
    "a Secret of its own account's namespace": ["-n", f"{NAMESPACE}-operator", "get", "secrets"],
    "nodes": ["get", "nodes"],
    "a label of a node": ["label", "nodes", "--all", "own=true"],
    "a namespace": ["create", "namespace", "another"],
    "a label of another namespace": ["label", "namespace", "rag", "own=true"],
    "another namespace goes": ["delete", "namespace", "rag", "--dry-run=server"],
    "a pod of its own making": ["-n", NAMESPACE, "run", "own", f"--image={PAUSE_IMAGE}"],
    "a role": ["-n", NAMESPACE, *ROLE],
    "a role of the cluster": ["create", "clusterrole", "more", "--verb=get", "--resource=secrets"],
    "a role for somebody": ["-n", NAMESPACE, "create", "rolebinding", "more", "--clusterrole=cluster-admin", "--serviceaccount=rag:milvus"],
    "a token of an account": ["-n", NAMESPACE, "create", "token", "default"],
    "another name": ["--as=system:admin", "get", "nodes"],
    "a volume of the node": ["get", "persistentvolumes"],
    "the policy of the label goes": ["delete", "validatingadmissionpolicybinding", f"{NAMESPACE}-pod-security"],
    "the policy of pods goes": ["delete", "validatingadmissionpolicy", f"{NAMESPACE}-pods"],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_reaches_beyond_its_namespace_is_refused(operator: Operator, what: str) -> None:
    ended = operator.kubectl(*REFUSED[what])
    assert ended.code != 0
    assert "forbidden" in ended.output.lower(), ended.output


def deployment(name: str) -> dict[str, Any]:
    """One that may do everything on its node, and mounts the node's disk."""
    container = {"name": "main", "image": PAUSE_IMAGE, "securityContext": {"privileged": True}}
    spec = {"containers": [container], "volumes": [{"name": "node", "hostPath": {"path": "/"}}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def why_no_pod(operator: Operator, name: str) -> str | None:
    """Return why its ReplicaSet may make no pod, once it says so."""
    conditions = json.loads(operator.kubectl("-n", NAMESPACE, "get", "deployment", name, "-o", "json").output)["status"].get(
        "conditions", []
    )
    return next((each["message"] for each in conditions if each["type"] == "ReplicaFailure"), None)


def test_the_label_of_pod_security_is_kept_and_no_pod_reaches_the_node(operator: Operator, tmp_path: Path) -> None:
    assert operator.apply(deployment("early"), tmp_path).code == 0  # the namespace has no label yet
    assert "no pod starts in this namespace before" in until(lambda: why_no_pod(operator, "early"), timeout_s=WAIT_S)
    assert operator.kubectl("label", "namespace", NAMESPACE, "own=true").code == 0
    refused = operator.kubectl("label", "namespace", NAMESPACE, f"{LEVEL}=privileged")
    assert refused.code != 0
    assert operator.kubectl("label", "namespace", NAMESPACE, f"{LEVEL}=baseline").code == 0
    assert operator.kubectl("label", "namespace", NAMESPACE, f"{LEVEL}=restricted", "--overwrite").code == 0
    for change in (f"{LEVEL}=privileged", f"{LEVEL}-"):
        refused = operator.kubectl("label", "namespace", NAMESPACE, change, "--overwrite")
        assert "stays restricted or baseline" in refused.output, refused.output
        assert refused.code != 0
    assert operator.apply(deployment("late"), tmp_path).code == 0
    assert "violates PodSecurity" in until(lambda: why_no_pod(operator, "late"), timeout_s=WAIT_S)
    pods = json.loads(operator.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json").output)["items"]
    assert pods == []
