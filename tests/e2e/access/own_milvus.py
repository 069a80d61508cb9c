"""A Milvus with authentication of these tests alone: the lab's chart in a namespace of its own, on the lab's store."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab.places import REPOSITORY
from tests.e2e.lab import Lab, run

ROOT_PASSWORD = "Milvus"
"""What 2.3 always begins with; changed at once."""


@dataclass(frozen=True)
class OwnMilvus:
    """Where it is, and what a provider must know of it."""

    namespace: str
    uid: str
    uri: str
    root_password: str

    def server(self) -> dict[str, str]:
        return {
            "namespace": self.namespace,
            "namespace_uid": self.uid,
            "root_secret": "milvus-root",
            "uri": f"cluster://{self.namespace}.svc.cluster.local",
            "ca_pem": "",
        }

    @contextmanager
    def as_user(self, user: str, password: str, database: str = "default") -> Iterator[Any]:
        with closing(MilvusClient(uri=self.uri, user=user, password=password, db_name=database, timeout=10)) as client:
            yield client

    def as_root(self, database: str = "default") -> Any:
        return self.as_user("root", self.root_password, database)


@contextmanager
def own_milvus(lab: Lab, namespace: str, folder: Path) -> Iterator[OwnMilvus]:
    """Install it, change the password of root, and remove the namespace with all that is in it."""
    lab.run("kubectl", "delete", "namespace", namespace, "--ignore-not-found")
    uid = _namespace(lab, namespace)
    try:
        uri, password = install(lab, namespace, folder, _values(lab, namespace)), secrets.token_urlsafe(12)
        with closing(MilvusClient(uri=uri, user="root", password=ROOT_PASSWORD, timeout=10)) as client:
            client.update_password("root", ROOT_PASSWORD, password)
        apply(lab, secret(namespace, "milvus-root", username="root", password=password))
        yield OwnMilvus(namespace, uid, uri, password)
    finally:
        lab.run("kubectl", "delete", "namespace", namespace, "--wait=false")


def install(lab: Lab, namespace: str, folder: Path, values: dict[str, Any]) -> str:
    """Install the lab's chart, wait until Milvus is ready, and return its address."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    installed = lab.run("helm", "install", "milvus", "lab/chart/milvus", "-n", namespace, "-f", str(file), "--wait", "--timeout", "600s")
    assert installed.code == 0, installed.output
    address = lab.kubectl("-n", namespace, "get", "service", "milvus")["spec"]["clusterIP"]
    return f"http://{address}:19530"


def _namespace(lab: Lab, namespace: str) -> str:
    """Make the namespace, with copies of what Milvus needs to reach the store."""
    lab.run("kubectl", "create", "namespace", namespace)
    for kind, name in (("secret", "milvus-store"), ("configmap", "object-store-ca")):
        found = lab.kubectl("-n", "rag", "get", kind, name)
        apply(lab, {**found, "metadata": {"name": name, "namespace": namespace}})
    uid: str = lab.kubectl("get", "namespace", namespace)["metadata"]["uid"]
    return uid


def _values(lab: Lab, namespace: str) -> dict[str, Any]:
    """Those of a small Milvus, with authentication on."""
    values = small_values(lab)
    user = yaml.safe_load(values["extraConfigFiles"]["user.yaml"])
    user["common"]["security"] = {"authorizationEnabled": True}
    user["proxy"] = {"maxRoleNum": 1000}
    return {
        **values,
        "externalS3": {**values["externalS3"], "rootPath": namespace},
        "extraConfigFiles": {"user.yaml": yaml.safe_dump(user)},
    }


def small_values(lab: Lab) -> dict[str, Any]:
    """Those of the lab, with less memory, and without the stack's service account."""
    printed = subprocess.run(
        [sys.executable, "-m", "stacks", "values", "lab"], env=lab.environment(), cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    values: dict[str, Any] = yaml.safe_load(printed.stdout)
    small = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
    return {**values, "serviceAccount": {"create": False, "name": ""}, "standalone": {**values["standalone"], "resources": small}}


def secret(namespace: str, name: str, **texts: str) -> dict[str, Any]:
    """Return the manifest of a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": texts}


def apply(lab: Lab, manifest: dict[str, Any]) -> None:
    """Apply one object."""
    ended = run(["sh", "-c", 'printf %s "$MANIFEST" | kubectl apply -f -'], {**lab.environment(), "MANIFEST": json.dumps(manifest)})
    assert ended.code == 0, ended.output
