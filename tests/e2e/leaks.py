"""Every place of the lab that others read, searched for secrets in every form that they have there."""

import base64
import gzip
import json
import os
import subprocess
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


_READER = """
import base64, json, os, sys
needles = {name: [text.encode(), base64.b64encode(text.encode()).rstrip(b"=")] for name, text in json.load(sys.stdin).items()}
seen, leaks, roots = {}, [], {(os.stat("/").st_dev, os.stat("/").st_ino)}
def look(kind, place):
    try:
        with open(place, "rb") as file:
            content = file.read(3_000_000)
    except OSError:
        return
    seen[kind] = seen.get(kind, 0) + 1
    leaks.extend(f"{name} in {kind} {place}" for name, forms in needles.items() if any(form in content for form in forms))
def walk(kind, top):
    for folder, folders, names in os.walk(top):
        folders[:] = [each for each in folders if os.path.join(folder, each) not in {top + "/proc", top + "/sys", top + "/dev"}]
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path):
                look(kind, path)
for process in filter(str.isdigit, os.listdir("/proc")):
    look("environment", f"/proc/{process}/environ")
    look("arguments", f"/proc/{process}/cmdline")
    try:
        root = os.stat(f"/proc/{process}/root/")
    except OSError:
        continue
    if (root.st_dev, root.st_ino) not in roots:
        roots.add((root.st_dev, root.st_ino))
        walk("container", f"/proc/{process}/root")
for top in sys.argv[1:]:
    walk("file", top)
print(json.dumps({"seen": seen, "leaks": leaks}))
"""
"""Run as another user; what it looks for comes by its standard input, where no other process reads it."""


def search_as(user: int, secrets: Mapping[str, str], *folders: Path) -> tuple[dict[str, int], list[str]]:
    """Search as a local user all that it can read: how many places of each kind, and each leak by the secret's name and its place.

    Environments and arguments of all processes, the file systems of containers as their processes see them, and what lies below `folders`.
    """
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "/usr/bin/python3", "-I", "-c", _READER]
    ended = subprocess.run([*as_user, *map(str, folders)], input=json.dumps(dict(secrets)), capture_output=True, text=True, check=True)
    answer = json.loads(ended.stdout)
    return answer["seen"], answer["leaks"]
