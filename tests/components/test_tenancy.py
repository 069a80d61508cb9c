"""Promises of the namespace."""

from dataclasses import replace

import pytest

from components import network
from components.tenancy import Tenancy
from tests.components.test_contract import TENANCY
from tests.deploy import deploy


def test_the_namespace_enforces_the_restricted_pod_security_standard() -> None:
    found = {item.name: item for item in deploy(lambda: Tenancy("tenancy", TENANCY))}
    labels = found["tenancy-namespace"].inputs["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}


def test_everything_is_denied_before_anything_is_allowed() -> None:
    found = {item.name: item for item in deploy(lambda: Tenancy("tenancy", TENANCY))}
    assert found["tenancy-default-deny"].inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("endpoint", "rule"),
    [
        ("https://10.0.0.5:9000", {"ports": [{"protocol": "TCP", "port": 9000}], "to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]}),
        ("https://[fd00::5]:9000", {"ports": [{"protocol": "TCP", "port": 9000}], "to": [{"ipBlock": {"cidr": "fd00::5/128"}}]}),
        ("https://x10000.example.net", {"ports": [{"protocol": "TCP", "port": 443}]}),
    ],
)
def test_milvus_alone_reaches_the_store_and_only_the_store_where_its_address_is_a_number(endpoint: str, rule: object) -> None:
    spec = network.policies(endpoint)["milvus-to-object-store"]
    assert spec["egress"] == [rule]
    assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "milvus"}}


def test_without_a_quota_there_is_none() -> None:
    assert not [item for item in deploy(lambda: Tenancy("tenancy", replace(TENANCY, quota=None))) if item.name == "tenancy-quota"]
