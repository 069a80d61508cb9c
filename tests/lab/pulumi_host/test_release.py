"""Promises of the Helm release: its states, its drift, its names, and silence about secrets."""

import pytest

from lab.pulumi_host.kubernetes.errors import RefusedError
from lab.pulumi_host.kubernetes.release import objects_in, redacted, refuse_blocked, resource_names, with_drift
from lab.pulumi_host.kubernetes.wire import Secret

MANIFEST = """
---
# Source: milvus/templates/service.yaml
apiVersion: v1
kind: Service
metadata: {name: milvus}
---
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: milvus, namespace: rag}
"""


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        ("pending-install", "helm uninstall milvus --namespace rag"),
        ("pending-upgrade", "helm rollback milvus --namespace rag"),
        ("pending-rollback", "helm rollback milvus --namespace rag"),
        ("uninstalling", "helm uninstall milvus --namespace rag"),
    ],
)
def test_a_release_that_was_killed_is_refused_with_the_cure(status: str, cure: str) -> None:
    with pytest.raises(RefusedError, match=cure):
        refuse_blocked(status, "milvus", "rag")


@pytest.mark.parametrize("status", ["", "deployed", "failed", "superseded", "uninstalled"])
def test_a_release_that_failed_or_is_missing_is_tried_again(status: str) -> None:
    refuse_blocked(status, "milvus", "rag")


def test_resources_are_named_as_the_official_plugin_names_them() -> None:
    assert resource_names(objects_in(MANIFEST)) == {"Deployment.apps/apps/v1": ["rag/milvus"], "Service/v1": ["milvus"]}


def test_the_same_values_are_no_drift_and_stay_secret() -> None:
    inputs = {"values": {"a": {"b": Secret("x")}}, "version": "1.0.0"}
    assert with_drift(inputs, {"values": {"a": {"b": "x"}}, "version": "1.0.0"}) == inputs


def test_other_values_and_another_version_are_drift() -> None:
    found = with_drift({"values": {"a": 1}, "version": "1.0.0"}, {"values": {"a": 2}, "version": "1.1.0"})
    assert found == {"values": {"a": 2}, "version": "1.1.0"}


def test_values_that_drifted_are_secret_where_old_ones_were() -> None:
    assert with_drift({"values": {"a": Secret("x")}}, {"values": {"a": "y"}, "version": "1"})["values"] == Secret({"a": "y"})


def test_the_version_of_a_chart_without_one_is_no_drift() -> None:
    assert "version" not in with_drift({"values": {}}, {"values": {}, "version": "1.0.0"})


def test_secrets_are_blotted_out_of_what_helm_says() -> None:
    inputs = {"values": {"a": Secret({"b": "topsecret"}), "c": "open-value"}}
    assert redacted("got topsecret and open-value", inputs) == "got [secret] and open-value"
