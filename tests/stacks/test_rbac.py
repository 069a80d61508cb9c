"""The operator's rights cover every object of every environment, and nothing beyond its namespace."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import environments, rendering

MANIFESTS = list(yaml.safe_load_all(Path("docs/rbac.yaml").read_text(encoding="utf-8")))
PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}


def rules(kind: str) -> list[dict[str, Any]]:
    return [rule for manifest in MANIFESTS if manifest["kind"] == kind for rule in manifest["rules"]]


def may(verb: str, group: str, resource: str) -> bool:
    return any(group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"] for rule in rules("Role"))


@pytest.mark.parametrize("name", environments.names())
def test_every_object_of_the_environment_may_be_made_changed_and_removed(name: str) -> None:
    found = rendering.render(environments.load(name, own_files_only=True)).objects
    namespaced = [item.manifest for item in found if "apiVersion" in item.manifest and item.kind != "Namespace"]
    assert namespaced
    for manifest in namespaced:
        group = manifest["apiVersion"].rpartition("/")[0]
        resource = PLURALS.get(manifest["kind"], manifest["kind"].lower() + "s")
        for verb in ("get", "list", "watch", "create", "patch", "delete"):
            assert may(verb, group, resource), f"{verb} {resource}"


def test_beyond_its_namespace_it_may_touch_that_namespace_alone() -> None:
    found = [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules("ClusterRole")]
    assert found == [
        (["namespaces"], ["rag"], ["get", "patch", "update", "delete"]),
        (["namespaces"], None, ["list", "watch"]),
        (["storageclasses"], None, ["get"]),
    ]
    granted = [
        entry for rule in (*rules("Role"), *rules("ClusterRole")) for key in ("apiGroups", "resources", "verbs") for entry in rule[key]
    ]
    assert "*" not in granted
    assert not {"roles", "rolebindings", "pods/exec", "serviceaccounts/token", "bind", "escalate", "impersonate"} & set(granted)
