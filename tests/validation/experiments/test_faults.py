"""What a drill changed of a workload is noted before, and undone by the note alone, by whoever comes next."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.validation.clients.test_target import OUTPUTS
from validation.clients.target import Target
from validation.experiments.faults import Faults
from validation.judge.errors import UsageError

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
