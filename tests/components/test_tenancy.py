"""Promises of the namespace."""

from dataclasses import replace

from components.tenancy import WHY_ANNOTATION, Tenancy
from tests.components.test_contract import TENANCY
from tests.deploy import Declared, deploy


def declared(args: object = TENANCY) -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: Tenancy("tenancy", args))}  # type: ignore[arg-type]  # one kind of arguments


def test_the_namespace_enforces_the_restricted_pod_security_standard() -> None:
    labels = declared()["tenancy-namespace"].inputs["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}


def test_everything_is_denied_before_anything_is_allowed_and_every_policy_says_why() -> None:
    found = {name: item for name, item in declared().items() if item.type.endswith(":NetworkPolicy")}
    assert found["tenancy-default-deny"].inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert "tenancy-milvus-to-store" in found
    assert all(item.inputs["metadata"]["annotations"][WHY_ANNOTATION] for item in found.values())


def test_every_part_has_an_account_without_a_token() -> None:
    found = {name: item for name, item in declared().items() if item.type.endswith(":ServiceAccount")}
    assert {item.inputs["metadata"]["name"] for item in found.values()} == {"milvus", "embedding"}
    assert all(item.inputs["automountServiceAccountToken"] is False for item in found.values())


def test_the_account_of_pods_that_name_none_has_no_token_either() -> None:
    (patch,) = [item for item in declared().values() if item.type.endswith(":ServiceAccountPatch")]
    assert patch.inputs["metadata"]["name"] == "default"
    assert patch.inputs["automountServiceAccountToken"] is False


def test_a_container_that_says_nothing_gets_something() -> None:
    (limits,) = declared()["tenancy-limits"].inputs["spec"]["limits"]
    assert set(limits["defaultRequest"]) == {"cpu", "memory", "ephemeral-storage"}
    assert set(limits["default"]) == {"memory"}


def test_without_a_quota_there_is_none() -> None:
    assert "tenancy-quota" in declared()
    assert "tenancy-quota" not in declared(replace(TENANCY, quota=None))
