"""Promises of the error texts: who stands in the way, and what to type."""

import json

from lab.pulumi_host.kubernetes.errors import refused
from lab.pulumi_host.kubernetes.wire import Object


def _answer(message: str, *causes: Object) -> str:
    return json.dumps({"kind": "Status", "message": message, "details": {"causes": list(causes)}})


def test_a_conflict_names_the_owner_the_field_and_how_to_take_it() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": 'conflict with "kubectl" using apps/v1'}
    text = str(refused(409, _answer("Apply failed", cause), "Deployment rag/web"))
    assert '.spec.replicas: conflict with "kubectl"' in text
    assert "PULUMI_K8S_ENABLE_PATCH_FORCE=true pulumi up" in text
    assert "pulumi.com/patchForce" in text


def test_an_expired_credential_says_how_to_look() -> None:
    assert "kubectl auth whoami" in str(refused(401, _answer("Unauthorized"), "Namespace rag"))


def test_a_missing_namespace_says_what_to_declare() -> None:
    assert "Declare the Namespace" in str(refused(404, _answer('namespaces "rag" not found'), "Secret rag/keys"))


def test_an_answer_that_is_no_json_is_passed_on() -> None:
    assert "bad gateway" in str(refused(502, "bad gateway", "Secret rag/keys"))
