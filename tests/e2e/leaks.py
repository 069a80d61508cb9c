"""Every place of the lab that others read, searched for secrets in every form that they have there."""

import base64
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lab.places import CACHE, LOGS, REPOSITORY
from lab.project import HOME
from tests.e2e.lab import Lab

KINDS = {"object", "helm-record", "helm-values", "state", "log", "report", "config", "environment", "arguments"}
"""Of places, all of which have to be seen for a search to mean something."""
_ACCESS_KEYS = {"access_key", "aws_access_key_id"}


def search(lab: Lab, secrets: Mapping[str, str], *states: Path) -> tuple[set[str], list[str]]:
    """Return the kinds of places that were seen, and each leak; `states` are more folders with states of Pulumi."""
    seen, leaks = set(), []
    for place, content in places(lab, *states):
        seen.add(place.partition(" ")[0])
        for name, secret in secrets.items():
            forms = (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="))
            if name.rpartition("/")[2] in _ACCESS_KEYS and place.startswith("log "):
                continue  # an access key names who asked, and a store's log may say so; a secret key may not appear
            leaks += [f"{name} in {place}" for form in forms if form in content]
    return seen, leaks


def files(top: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below `top` with what it holds; one that went meanwhile, as the log of a removed pod does, can be read by nobody."""
    for folder, _, names in os.walk(top):
        for path in (Path(folder, name) for name in names):
            content = None
            with suppress(FileNotFoundError):
                content = path.read_bytes() if path.is_file() else None
            if content is not None:
                yield path, content


def places(lab: Lab, *states: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every place that must hold no secret, by kind and name."""
    for kind in ("configmaps", "pods", "deployments", "services", "events", "persistentvolumeclaims", "jobs"):
        yield f"object {kind}", json.dumps(lab.kubectl("get", kind, "--all-namespaces")).encode()
    for record in lab.kubectl("get", "secrets", "--all-namespaces", "-l", "owner=helm")["items"]:
        release = base64.b64decode(base64.b64decode(record["data"]["release"]))
        yield f"helm-record {record['metadata']['name']}", gzip.decompress(release)
    values = lab.run("helm", "get", "values", "milvus", "-n", "rag", "--all")
    assert values.code == 0, values.output
    yield "helm-values milvus", values.output.encode()
    folders = [("state", HOME / "backend"), *(("state", state) for state in states), ("log", LOGS)]
    folders += [("report", REPOSITORY / "build" / "reports"), ("config", REPOSITORY / "stacks")]
    for kind, top in folders:
        for path, content in files(top):
            yield f"{kind} {path}", gzip.decompress(content) if path.suffix == ".gz" else content
    yield f"log {CACHE}", (CACHE / "log" / "commands.log").read_bytes()
    yield "config of this machine", b"".join(path.read_bytes() for path in HOME.glob("Pulumi.*.yaml"))
    yield "environment ./rag env", lab.run("./rag", "env").output.encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield f"arguments of process {process.name}", (process / "cmdline").read_bytes()
        except OSError:
            continue
