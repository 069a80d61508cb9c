"""Every way in which a pod does not start is named by the watch that runs beside `pulumi up`, within 30 seconds of happening."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import yaml

from lab import project
from stacks.operations.pod_watch import EVERY_S, Watch
from tests.e2e.lab import Lab, run

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

NAMESPACE = "cannot-start"
WITHIN_S = 30
_LONGEST_S = 120
WRONG_USER = {"runAsUser": 1000, "runAsGroup": 1000}
"""Neither the owner of Milvus's files nor in its group."""


def deployment(name: str, container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    labels = {"app": name}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", **container}], **pod}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


def shell(image: str, command: str, **container: Any) -> dict[str, Any]:
    return {"image": image, "command": ["/usr/bin/python3.11", "-c", command], **container}


def objects(image: str, milvus: str) -> list[dict[str, Any]]:
    """Deployments of two pods, each with one thing wrong, named by the code under which the watch has to name it."""
    secret = {"secretKeyRef": {"name": "not-there", "key": "password"}}
    limit = {"resources": {"limits": {"memory": "64Mi", "cpu": "200m"}}}
    claim = [{"name": "data", "persistentVolumeClaim": {"claimName": "unbound"}}]
    whole = [
        deployment("pod.image", {"image": "127.0.0.1:1/no-such-image:1"}),
        deployment("pod.cannot-execute", shell(image, "raise SystemExit(126)")),
        deployment("pod.wrong-user", {"image": milvus, "args": ["milvus", "run", "standalone"], "securityContext": WRONG_USER}),
        deployment("pod.crashes", shell(image, "raise SystemExit('the last words')")),
        deployment("pod.out-of-memory", shell(image, "b'x' * (1 << 30)", **limit)),
        deployment("pod.unschedulable", shell(image, ""), nodeSelector={"no": "such-node"}),
        deployment("pod.config", shell(image, "", env=[{"name": "PASSWORD", "valueFrom": secret}])),
        deployment(
            "pod.volume",
            shell(image, "", volumeMounts=[{"name": "secret", "mountPath": "/secret"}]),
            volumes=[{"name": "secret", "secret": {"secretName": "not-there"}}],
        ),
        deployment("pod.refused", shell(image, "", resources={"requests": {"cpu": "1000"}, "limits": {"cpu": "1000"}})),
        deployment("pod.unschedulable-by-claim", shell(image, ""), volumes=claim),
    ]
    storage = {"accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class", "resources": {"requests": {"storage": "1Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "100"}}},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": [limits()]}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "unbound"}, "spec": storage},
        *whole,
    ]


def limits() -> dict[str, Any]:
    return {"type": "Container", "default": {"cpu": "100m"}, "defaultRequest": {"cpu": "1m"}}


@pytest.fixture(scope="module")
def told(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[tuple[str, datetime]]]]:
    """What the watch said of each Deployment, and when; by the beginning of its pods' names."""
    images = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]["milvus-x10000:images"]
    manifest = tmp_path_factory.mktemp("pods") / "all.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(images["suite"], images["milvus"])}))
    lab.run("kubectl", "create", "namespace", NAMESPACE)
    seen: list[tuple[str, datetime]] = []
    end = Event()
    watch = Watch("lab", NAMESPACE, lambda text: seen.append((text, datetime.now(UTC))))
    thread = Thread(target=watch.run, args=(end,))
    thread.start()
    try:
        applied = lab.run("kubectl", "-n", NAMESPACE, "apply", "-f", str(manifest))
        assert applied.code == 0, applied.output
        until(lambda: all(by_name(seen).values()))
        yield by_name(seen)
    finally:
        end.set()
        thread.join()
        save(lab, Path("build") / "e2e" / "cannot-start.json")
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def by_name(seen: list[tuple[str, datetime]]) -> dict[str, list[tuple[str, datetime]]]:
    """What was said of each Deployment: the watch names a pod, or a ReplicaSet, whose name is the Deployment's and two hashes, or one."""
    names = {text: re.match(r"\w+ (.+?)(-[a-z0-9]{5,10}){1,2}[,:]", text) for text, _ in seen}
    return {name: [(text, when) for text, when in seen if (found := names[text]) and found[1] == name] for name in CODES}


def until(is_so: Callable[[], bool]) -> None:
    """Wait; what was not seen by then fails its own test."""
    deadline = time.monotonic() + _LONGEST_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(3 * EVERY_S)  # for a second word about the same


def save(lab: Lab, path: Path) -> None:
    """Keep what the API said, to see why a test failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = "pods,events,replicasets,statefulsets,jobs"
    path.write_text(run(["kubectl", "-n", NAMESPACE, "get", kinds, "-o", "json"], lab.environment()).output)


CODES = {
    "pod.image": "pod.image",
    "pod.cannot-execute": "pod.cannot_execute",
    "pod.wrong-user": "pod.cannot_execute",
    "pod.crashes": "pod.crashes",
    "pod.out-of-memory": "pod.out_of_memory",
    "pod.unschedulable": "pod.unschedulable",
    "pod.config": "pod.config",
    "pod.volume": "pod.volume",
    "pod.refused": "pod.refused",
    "pod.unschedulable-by-claim": "pod.unschedulable",
}


def happened(lab: Lab, deployment_name: str) -> datetime:
    """When the first thing went wrong, by the cluster's own clock: the first warning about it, or the first end of its container."""
    events = lab.kubectl("-n", NAMESPACE, "get", "events")["items"]
    warned = [
        event.get("firstTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
        for event in events
        if event["type"] == "Warning" and event["involvedObject"]["name"].startswith(f"{deployment_name}-")
    ]
    return datetime.fromisoformat(min(warned))


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_it_is_named_within_30_seconds_of_happening(lab: Lab, told: dict[str, list[tuple[str, datetime]]], name: str, code: str) -> None:
    assert told[name], "it was not named at all"
    text, when = told[name][0]
    assert f"[{code}]" in text, text
    assert (when - happened(lab, name)).total_seconds() < WITHIN_S


def test_a_cause_is_named_once_for_both_pods_of_a_deployment(told: dict[str, list[tuple[str, datetime]]]) -> None:
    assert {name: len(texts) for name, texts in told.items()} == dict.fromkeys(CODES, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pod.image", "127.0.0.1:1/no-such-image"),
        ("pod.wrong-user", "user 1000 may not execute its program"),
        ("pod.wrong-user", "milvus.user_id"),
        ("pod.crashes", "the last words"),
        ("pod.out-of-memory", "64Mi"),
        ("pod.unschedulable", "pods.node_selector"),
        ("pod.config", "create secret generic not-there"),
        ("pod.volume", "create secret generic not-there"),
        ("pod.refused", "exceeded quota"),
        ("pod.unschedulable-by-claim", "no-such-class"),
    ],
)
def test_it_is_named_with_the_words_of_the_cluster_and_what_to_type(
    told: dict[str, list[tuple[str, datetime]]], name: str, words: str
) -> None:
    assert words in told[name][0][0]
