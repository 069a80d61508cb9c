"""What a drill changed of a workload is noted before, and undone by the note alone, by whoever comes next."""

import inspect
import json
import subprocess
from functools import partial
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.validation.clients.test_target import OUTPUTS
from validation.clients.target import Target
from validation.experiments import store_proxy
from validation.experiments.drill import DRILLS
from validation.experiments.faults import _DECLARED, Faults
from validation.judge.errors import UsageError
from validation.load.pods.job import CONTAINER

NOTE = "milvus-x10000/drill"


class Apps:
    """One Deployment, and what was sent to change it."""

    def __init__(self) -> None:
        self.replicas, self.annotations, self.patches = 3, dict[str, str](), list[Any]()

    def workload(self) -> Any:
        metadata = SimpleNamespace(name="embedding", annotations=dict(self.annotations), generation=1)
        status = SimpleNamespace(observed_generation=1, **dict.fromkeys(("replicas", "updated_replicas", "ready_replicas"), self.replicas))
        return SimpleNamespace(metadata=metadata, spec=SimpleNamespace(replicas=self.replicas), status=status)

    def list_namespaced_deployment(self, _namespace: str, **_: str) -> Any:
        return SimpleNamespace(items=[self.workload()])

    def list_namespaced_stateful_set(self, _namespace: str, **_: str) -> Any:
        return SimpleNamespace(items=[])

    def patch_namespaced_deployment(self, name: str, namespace: str, body: Any) -> None:
        assert (name, namespace) == ("embedding", "rag")
        self.patches.append(body)
        if isinstance(body, dict):
            self.annotations |= body["metadata"]["annotations"]
            return
        for step in body:
            if step["op"] == "remove":
                assert step["path"] == "/metadata/annotations/milvus-x10000~1drill"
                del self.annotations[NOTE]
            else:
                assert (step["op"], step["path"]) == ("add", "/spec/replicas")
                self.replicas = step["value"]


@pytest.fixture
def faults() -> Faults:
    made = Faults(SimpleNamespace(api_client=None), Target.model_validate(OUTPUTS))  # type: ignore[arg-type]  # nothing is asked of it
    made._apps = Apps()  # type: ignore[assignment]  # as much as is asked
    return made


def test_the_note_is_written_before_the_change_and_undoes_it(faults: Faults) -> None:
    apps: Any = faults._apps
    faults._change("deployment", apps.workload(), "/spec/replicas", 0)
    assert json.loads(apps.patches[0]["metadata"]["annotations"][NOTE]) == [{"op": "add", "path": "/spec/replicas", "value": 3}]
    assert apps.replicas == 0
    assert faults._restore("deployment", apps.workload())
    assert (apps.replicas, apps.annotations) == (3, {})
    assert not faults._restore("deployment", apps.workload()), "a second time nothing is done"


def test_a_container_without_a_limit_is_not_filled(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    container = SimpleNamespace(resources=SimpleNamespace(limits={"memory": "2Gi"}))
    pod = SimpleNamespace(metadata=SimpleNamespace(name="milvus-0"), spec=SimpleNamespace(containers=[container]))
    monkeypatch.setattr(faults, "pods", lambda _: [pod])
    with pytest.raises(UsageError, match=r"milvus-0 has no limit of ephemeral-storage.*nothing was broken"):
        faults.fill("ephemeral-storage")


class Made:
    """What was created, by kind."""

    def __init__(self, policies: int) -> None:
        self.objects, self._policies = dict[str, Any](), policies

    def __getattr__(self, name: str) -> Any:
        if name == "read_namespaced_pod_template":
            container = {"name": CONTAINER, "volumeMounts": [{"name": "ca"}, {"name": "key"}]}
            volumes = [{"name": "ca", "configMap": {}}, {"name": "key", "secret": {}}]
            template = {"metadata": {"labels": {"suite": "yes"}}, "spec": {"containers": [container], "volumes": volumes}}
            return lambda *_: SimpleNamespace(template=template)
        if name == "list_namespaced_network_policy":
            return lambda _: SimpleNamespace(items=[None] * self._policies)
        return lambda _namespace, body: self.objects.__setitem__(name.removeprefix("create_namespaced_"), body)


@pytest.mark.parametrize("policies", [0, 1])
def test_the_proxy_listens_where_its_service_its_probe_its_policy_and_milvus_look_and_gets_no_secret(policies: int) -> None:
    made = Made(policies)
    faults = Faults(SimpleNamespace(api_client=None), Target.model_validate(OUTPUTS))  # type: ignore[arg-type]  # nothing is asked of it
    faults._core = faults._apps = faults._network = made  # type: ignore[assignment]  # as much as is asked
    faults._plain = lambda declared: declared  # type: ignore[method-assign]  # plain already
    faults._make_proxy()
    service, deployment = made.objects["service"], made.objects["deployment"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert service["spec"]["ports"] == [{"port": store_proxy.PORT}]
    assert container["readinessProbe"]["tcpSocket"]["port"] == store_proxy.PORT == int(_DECLARED["milvus"]["MINIO_PORT"])
    assert container["args"] == ["store-proxy", OUTPUTS["object_store_endpoint"]]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert ([each["name"] for each in pod["spec"]["volumes"]], container["volumeMounts"]) == (["ca"], [{"name": "ca"}])
    assert ("network_policy" in made.objects) is bool(policies)
    assert all("template" not in each.get("spec", {}) for each in _DECLARED.values() if isinstance(each, dict)), (
        "what is declared stays as it is"
    )


def test_every_drill_that_is_declared_is_something_that_faults_can_do() -> None:
    assert {name for name, drill in DRILLS.items() if drill.act is None and not drill.is_command} == {"burst"}
    for drill in DRILLS.values():
        if isinstance(drill.act, partial):
            inspect.signature(drill.act.func).bind(None, **drill.act.keywords)


def test_memory_and_descriptors_of_a_container_are_those_of_all_its_processes(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    """The script runs here, in a shell of this machine, as it does in a container; its own shell is not counted."""
    pod = SimpleNamespace(
        metadata=SimpleNamespace(uid="u", labels={"component": "querynode"}), status=SimpleNamespace(container_statuses=None)
    )
    monkeypatch.setattr(faults, "pods", lambda _: [pod])
    monkeypatch.setattr(faults, "shell", lambda _pod, script: subprocess.check_output(["sh", "-c", script], text=True))
    own = psutil.Process()
    (memory, descriptors) = faults.usage("milvus")
    assert (memory[:2], descriptors[:2]) == (("milvus_querynode_memory_mib", "u []"), ("milvus_querynode_descriptors", "u []"))
    assert memory[2] > own.memory_info().rss / 2**20 / 4
    assert descriptors[2] >= own.num_fds() - 2
