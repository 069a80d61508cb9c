"""The drills, on a copy of the lab's stack in a namespace and a bucket of its own: what is broken here is nobody else's.

Unlike the lab's own, the copy has its etcd in a pod of its own, as the official chart does.
Here Milvus is killed and its store hangs; the others are proofs of their own: DRILLS="drain burst oom" pytest tests/e2e/test_drills.py. How
long nobody was served is the machine's affair: what fails is a lost document, or an exit code that is not the report's.
"""

import base64
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lab.places import NODE_BIN, PKI, REPOSITORY
from tests.e2e.lab import Ended, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]
SERVICES = ("milvus", "embedding", "llm")
COMMANDS = {
    "kill-node": [sys.executable, "-m", "tests.drills.kill_node"],
    "network-cut": [sys.executable, "-m", "tests.drills.network_cut"],
}
ETCD = "copied-etcd"
_FILLED_IN = ("resourceVersion", "uid", "creationTimestamp", "managedFields", "annotations", "ownerReferences", "generation")


@dataclass(frozen=True)
class Copy:
    """The copy, and commands on it."""

    lab: Lab
    namespace: str
    target: Path

    def drill(self, name: str) -> tuple[Ended, dict[str, Any]]:
        out = self.target.parent / f"{name}.json"
        slo = str(REPOSITORY / "validation" / "slo.lab.yaml")
        command = ["--", *COMMANDS[name]] if name in COMMANDS else []
        done = self.lab.run("./rag", "drill", name, str(self.target), "--slo", slo, "--rate", "25", "--out", str(out), *command)
        return done, json.loads(out.read_text()) if out.exists() else {}


def copied(item: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return an object as it was declared, for another namespace."""
    item["metadata"] = {name: value for name, value in item["metadata"].items() if name not in _FILLED_IN} | {"namespace": namespace}
    item.pop("status", None)
    for name in ("clusterIP", "clusterIPs", "volumeName"):
        item.get("spec", {}).pop(name, None)
    return item


def objects(lab: Lab, namespace: str, bucket: str, key: dict[str, str]) -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    for kind, names in {
        "serviceaccount": (*SERVICES, "suite"),
        "secret": ("documents-store", "embedding-api-key", "llm-api-key", "milvus-store"),
        "configmap": ("milvus", "object-store-ca"),
        "persistentvolumeclaim": ("milvus",),
        "service": SERVICES,
        "podtemplate": ("load-generator",),
        "deployment": ("milvus-standalone", "embedding", "llm"),
    }.items():
        for name in names:
            item = copied(lab.kubectl("-n", "rag", "get", kind, name), namespace)
            if kind == "deployment":  # beside the lab's own on one machine, and with enough of it not to starve
                needs = {"cpu": "200m" if name.startswith("milvus") else "30m", "memory": "256Mi"}
                resources = item["spec"]["template"]["spec"]["containers"][0]["resources"]
                resources["requests"] = needs
                resources["limits"]["ephemeral-storage"] = "512Mi"
            if name == "milvus-store":
                item["data"] = {field: base64.b64encode(value.encode()).decode() for field, value in key.items()}
            if (kind, name) == ("configmap", "milvus"):
                default, user = (item["data"][name] for name in ("default.yaml", "user.yaml"))
                item["data"]["default.yaml"] = default.replace("rag-milvus", bucket).replace("localhost:2379", f"{ETCD}:2379")
                item["data"]["user.yaml"] = user.replace("embed: true", "embed: false")
                assert f"bucketName: {bucket}\n" in item["data"]["default.yaml"], "never two Milvus on one bucket"
                assert ETCD in item["data"]["default.yaml"]
                assert "embed: false" in item["data"]["user.yaml"]
            yield item
    yield from etcd(lab.outputs()["images"]["milvus"], namespace)


def etcd(image: str, namespace: str) -> Iterator[dict[str, Any]]:
    """Yield an etcd with a volume: the program is the node's own, the image any that is there."""
    metadata, labels = {"name": ETCD, "namespace": namespace}, {"app.kubernetes.io/name": "etcd"}
    container = {
        "name": "etcd",
        "image": image,
        "command": ["/program/etcd", "--data-dir=/data/etcd", "--listen-client-urls=http://0.0.0.0:2379"],
        "args": [f"--advertise-client-urls=http://{ETCD}:2379", "--log-level=warn"],
        "readinessProbe": {"tcpSocket": {"port": 2379}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "program", "mountPath": "/program/etcd", "readOnly": True}],
    }
    program = {"name": "program", "hostPath": {"path": str((NODE_BIN / "etcd").resolve()), "type": "File"}}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": ETCD}}, program]
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes, "securityContext": {"runAsUser": 0}}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}, "template": pod}
    service = {"selector": labels, "ports": [{"port": 2379}]}
    yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment}


@pytest.fixture(scope="module")
def copy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    shell, namespace = lab.environment(), f"drill-{secrets.token_hex(3)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", shell["AWS_SHARED_CREDENTIALS_FILE"])
        session = boto3.Session(profile_name="lab-admin", region_name="us-east-1")
        keys: Any = session.get_credentials()
        endpoint, verify = shell["AWS_ENDPOINT_URL_S3"], str(PKI / "store-ca.crt")
        s3 = session.client("s3", endpoint_url=endpoint, verify=verify, config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket=namespace)
    home = tmp_path_factory.mktemp("drills")
    (home / "objects.json").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [*objects(lab, namespace, namespace, {"access_key": keys.access_key, "secret_key": keys.secret_key})],
            }
        )
    )
    outputs = json.dumps(lab.outputs()).replace(".rag.svc", f".{namespace}.svc")
    (home / "target.json").write_text(json.dumps(json.loads(outputs) | {"namespace": namespace, "ask_url": "", "ask_secret_name": ""}))
    try:
        applied = lab.run("kubectl", "apply", "-f", str(home / "objects.json"))
        assert applied.code == 0, applied.output
        (home / "objects.json").unlink()
        for name in ("milvus-standalone", "embedding", "llm"):
            ready = lab.run("kubectl", "-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=400s")
            assert ready.code == 0, ready.output
        yield Copy(lab, namespace, home / "target.json")
    finally:
        lab.run("kubectl", "delete", "namespace", namespace, "--timeout=120s")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=namespace):
            for each in page.get("Contents", ()):
                s3.delete_object(Bucket=namespace, Key=each["Key"])
        s3.delete_bucket(Bucket=namespace)


@pytest.mark.timeout(700)
@pytest.mark.parametrize("name", os.environ.get("DRILLS", "kill-milvus store-hang").split())
def test_nothing_that_was_acknowledged_is_lost(copy: Copy, name: str) -> None:
    done, report = copy.drill(name)
    print(time.strftime("%H:%M:%S"), name, report.get("result"), file=sys.stderr)
    assert report["lost"] == report["altered"] == report["left_behind"] == []
    assert report["acknowledged"] > 500
    assert done.code == report["result"]["exit_code"]
    assert done.code in {0, 1}, done.output
    ours = ["deployments,statefulsets,services,networkpolicies", "-o", "name"]
    assert "drill-store" not in copy.lab.run("kubectl", "-n", copy.namespace, "get", *ours).output
    assert "milvus-x10000/drill" not in copy.lab.run("kubectl", "-n", copy.namespace, "get", "deployments", "-o", "yaml").output


def test_a_part_that_is_not_there_is_named_and_nothing_is_broken(lab: Lab, tmp_path: Path) -> None:
    done = lab.run("./rag", "drill", "etcd-restart", "lab", "--out", str(tmp_path / "drill.json"))
    assert done.code == 2, done.output
    assert "has no pod app.kubernetes.io/name=etcd" in done.output
