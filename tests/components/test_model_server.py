"""Promises of the model services."""

from components.embedding import Embedding
from components.llm import Llm
from components.model_server import pod
from tests.components.test_contract import EMBEDDING, LLM, SERVER
from tests.deploy import deploy, resolved


def test_the_pod_has_no_privilege_no_token_and_no_writable_root() -> None:
    spec = pod("llm", SERVER)
    container = spec["containers"][0]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
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
