"""No secret anywhere it does not belong: every place is searched for the real keys."""

import base64
import configparser
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.places import CACHE, LOGS, PKI, REPOSITORY, STATE
from lab.project import HOME, PASSPHRASE
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def secrets(lab: Lab) -> dict[str, str]:
    """Return every real secret of the lab by name."""
    outputs = lab.outputs()
    found = {"passphrase": PASSPHRASE.read_text().strip()}
    names = ("milvus_secret_name", "documents_secret_name", "embedding_secret_name", "llm_secret_name")
    for name in (outputs[each] for each in names):
        data = lab.kubectl("-n", outputs["namespace"], "get", "secret", name)["data"]
        found |= {f"{name}/{key}": base64.b64decode(value).decode() for key, value in data.items()}
    parser = configparser.ConfigParser()
    parser.read(PKI / "credentials")
    found |= {f"administrator/{key}": value for key, value in parser["lab-admin"].items()}
    assert len(found) == 9
    assert min(map(len, found.values())) >= 16
    return found


def places(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """Yield every place that must hold no secret, by kind and name."""
    for kind in ("configmaps", "pods", "deployments", "services", "events", "persistentvolumeclaims"):
        yield f"object {kind}", json.dumps(lab.kubectl("get", kind, "--all-namespaces")).encode()
    for record in lab.kubectl("get", "secrets", "--all-namespaces", "-l", "owner=helm")["items"]:
        release = base64.b64decode(base64.b64decode(record["data"]["release"]))
        yield f"helm-record {record['metadata']['name']}", gzip.decompress(release)
    values = lab.run("helm", "get", "values", "milvus", "-n", "rag", "--all")
    assert values.code == 0, values.output
    yield "helm-values milvus", values.output.encode()
    folders = {"state": HOME / "backend", "log": LOGS, "report": REPOSITORY / "build" / "reports", "config": REPOSITORY / "stacks"}
    for kind, top in folders.items():
        for path in (found for found in top.rglob("*") if found.is_file()):
            content = path.read_bytes()
            yield f"{kind} {path}", gzip.decompress(content) if path.suffix == ".gz" else content
    yield f"log {CACHE}", (CACHE / "log" / "commands.log").read_bytes()
    yield "config of this machine", b"".join(path.read_bytes() for path in HOME.glob("Pulumi.*.yaml"))
    yield "environment make env", lab.run("make", "-s", "env").output.encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield f"arguments of process {process.name}", (process / "cmdline").read_bytes()
        except OSError:
            continue


@pytest.fixture(scope="module")
def _one_report(lab: Lab) -> None:
    """Leave a report, since a lab that was up before may have been judged from another checkout."""
    nowhere = REPOSITORY / "build" / "reports" / "no-profile"
    assert lab.gate("--stack", "lab", "--slo", "no-such-file.yaml", "--out", str(nowhere), "--quiet").code == 2


@pytest.mark.usefixtures("_one_report")
def test_no_secret_is_in_any_place_that_others_read(lab: Lab, secrets: dict[str, str]) -> None:
    seen, leaks = set(), []
    for place, content in places(lab):
        seen.add(place.partition(" ")[0])
        for name, secret in secrets.items():
            forms = (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="))
            if name.rpartition("/")[2] in {"access_key", "aws_access_key_id"} and place.startswith("log "):
                continue  # an access key names who asked, and a store's log may say so; a secret key may not appear
            leaks += [f"{name} in {place}" for form in forms if form in content]
    assert seen == {"object", "helm-record", "helm-values", "state", "log", "report", "config", "environment", "arguments"}
    assert not leaks


def test_the_search_would_have_found_a_secret(lab: Lab, secrets: dict[str, str]) -> None:
    held = json.dumps(lab.kubectl("-n", "rag", "get", "secrets")).encode()
    assert base64.b64encode(secrets["milvus-store/secret_key"].encode()) in held


def test_files_that_hold_a_secret_are_readable_by_root_alone(lab: Lab) -> None:
    assert lab.outputs()["namespace"] == "rag"
    for path in (PASSPHRASE, PKI / "credentials", STATE / "admin.kubeconfig", *PKI.glob("*.key")):
        assert path.stat().st_mode & 0o077 == 0, path
