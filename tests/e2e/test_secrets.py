"""No secret anywhere it does not belong: every place is searched for the real keys."""

import base64
import configparser
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.places import LOGS, PKI, REPOSITORY, STATE
from lab.project import HOME, PASSPHRASE
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def secrets(lab: Lab) -> dict[str, str]:
    """Return every real secret of the lab by name."""
    outputs = lab.outputs()
    found = {"passphrase": PASSPHRASE.read_text().strip()}
    for name in (outputs["milvus_secret_name"], outputs["documents_secret_name"]):
        data = lab.kubectl("-n", outputs["namespace"], "get", "secret", name)["data"]
        found |= {f"{name}/{key}": base64.b64decode(value).decode() for key, value in data.items()}
    parser = configparser.ConfigParser()
    parser.read(PKI / "credentials")
    found |= {f"administrator/{key}": value for key, value in parser["lab-admin"].items()}
    assert len(found) == 7
    assert min(map(len, found.values())) >= 16
    return found


def places(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """Yield every place that must hold no secret, by name."""
    for kind in ("configmaps", "pods", "deployments", "services", "events", "persistentvolumeclaims"):
        yield f"Kubernetes {kind}", json.dumps(lab.kubectl("get", kind, "--all-namespaces")).encode()
    for record in lab.kubectl("get", "secrets", "--all-namespaces", "-l", "owner=helm")["items"]:
        release = base64.b64decode(base64.b64decode(record["data"]["release"]))
        yield f"Helm record {record['metadata']['name']}", gzip.decompress(release)
    yield "Helm values", lab.run("helm", "get", "values", "milvus", "-n", "rag", "--all").output.encode()
    for top in (HOME / "backend", LOGS, REPOSITORY / "build" / "reports", REPOSITORY / "stacks"):
        for path in (found for found in top.rglob("*") if found.is_file()):
            content = path.read_bytes()
            yield str(path), gzip.decompress(content) if path.suffix == ".gz" else content
    yield "stack configuration", b"".join(path.read_bytes() for path in HOME.glob("Pulumi.*.yaml"))
    yield "make env", lab.run("make", "-s", "env").output.encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield f"arguments of process {process.name}", (process / "cmdline").read_bytes()
        except OSError:
            continue


def test_no_secret_is_in_any_place_that_others_read(lab: Lab, secrets: dict[str, str]) -> None:
    seen, leaks = set(), []
    for place, content in places(lab):
        seen.add(place.split(maxsplit=1)[0])
        for name, secret in secrets.items():
            forms = (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="))
            if name.endswith("access_key_id") and str(LOGS) in place:
                continue  # an access key names who asked, and a store's log may say so; the secret key may not appear
            leaks += [f"{name} in {place}" for form in forms if form in content]
    assert {"Kubernetes", "Helm", "make", "arguments"} <= seen
    assert not leaks


def test_the_search_would_have_found_a_secret(lab: Lab, secrets: dict[str, str]) -> None:
    held = json.dumps(lab.kubectl("-n", "rag", "get", "secrets")).encode()
    assert base64.b64encode(secrets["milvus-store/secret_key"].encode()) in held


def test_files_that_hold_a_secret_are_readable_by_root_alone(lab: Lab) -> None:
    assert lab.outputs()["namespace"] == "rag"
    for path in (PASSPHRASE, PKI / "credentials", STATE / "admin.kubeconfig", *PKI.glob("*.key")):
        assert path.stat().st_mode & 0o077 == 0, path
