"""What was killed in the middle is named by `./rag doctor`, and ends right when it is typed again: deploy, destroy, the gate.

The first two on a stack of its own with a Milvus, buckets and users of its own; whatever they started is killed too: Pulumi, its plugins,
the Helm in them. `./rag up` has `make drill-kill`, a rotation `make drill-kills`, backup and restore have test_backup.py.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab import project
from lab.places import REPOSITORY, network
from tests.e2e.lab import Ended, Lab, without_models
from tests.e2e.test_gate import profile
from tests.e2e.test_red_store import as_administrator
from validation.judge.errors import Outcome, exit_code

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

STACK, NAMESPACE = "killed", "rag-killed"
ENVIRONMENT = REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml"
"""What makes an environment of it, which is what commands of the operator want; there only while these tests run."""
SEEN = REPOSITORY / "build" / "drills" / "killed.json"
"""What doctor said after each kill, for docs/reliability.md."""
_PATIENCE_S, _POLL_S = 300, 0.02
MILVUS_PORT = 19530

Moment = str | Callable[["Stack"], bool]
"""A regular expression for what the command says, or something that is seen."""


@dataclass(frozen=True)
class Stack:
    """The stack, and commands on it."""

    lab: Lab
    home: Path

    @property
    def shell(self) -> dict[str, str]:
        return {**self.lab.environment(), "PULUMI_OPTION_CONFIG_FILE": str(project.config_file(STACK)), "PULUMI_STACK": STACK}

    def run(self, *command: str) -> Ended:
        return self.lab.run(*command, environment=self.shell)

    def kubectl(self, *arguments: str) -> list[dict[str, Any]]:
        found = self.run("kubectl", "-n", NAMESPACE, "get", *arguments, "-o", "json")
        return list(json.loads(found.output)["items"]) if found.code == 0 else []

    def killed_at(self, moment: Moment, *command: str) -> str:
        """Run a command until that moment, kill it with all that it started, and return what it said; it must have come to that moment."""
        log = self.home / "said"
        with log.open("w") as printed:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": printed, "stderr": subprocess.STDOUT}
            process = subprocess.Popen(command, cwd=REPOSITORY, env=self.shell, start_new_session=True, **streams)
        deadline = time.monotonic() + _PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            if re.search(moment, log.read_text()) if isinstance(moment, str) else moment(self):
                break
            time.sleep(_POLL_S)
        with suppress(psutil.NoSuchProcess):
            for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        assert process.wait() == -signal.SIGKILL, log.read_text()
        return log.read_text()

    def state(self) -> list[dict[str, Any]]:
        exported = self.run("pulumi", "stack", "export", "--stack", STACK)
        assert exported.code == 0, exported.output
        deployment = json.loads(exported.output)["deployment"]
        assert not deployment.get("pending_operations"), deployment["pending_operations"]
        return list(deployment.get("resources") or [])

    def at_the_store(self) -> set[str]:
        """Return the buckets and users of this stack that the store has."""
        net = network()
        with closing(as_administrator("s3", net.s3_endpoint)) as s3, closing(as_administrator("iam", net.iam_endpoint)) as iam:
            names = [*(each["Name"] for each in s3.list_buckets()["Buckets"]), *(each["UserName"] for each in iam.list_users()["Users"])]
        return {name for name in names if name.startswith(NAMESPACE)}

    def in_the_cluster(self) -> set[str]:
        """Return what Pulumi made in the namespace, as KIND NAME; what Helm made is in its own record."""
        kinds = self.run("kubectl", "api-resources", "--namespaced", "--verbs", "list", "-o", "name").output.split()
        chosen = ",".join(kind for kind in kinds if not re.match(r"(events|pods|replicasets|endpoint|leases|.*metrics)", kind))
        made = set()
        for each in self.kubectl(chosen, "--show-managed-fields"):
            labels, managers = each["metadata"].get("labels", {}), [one["manager"] for one in each["metadata"].get("managedFields", ())]
            if any(name.startswith("pulumi-") for name in managers) and "Helm" not in labels.values() and labels.get("owner") != "helm":
                made.add(f"{each['kind']} {each['metadata']['name']}")
        return made

    def left(self) -> dict[str, Any]:
        """Return what must all be empty once the stack is destroyed."""
        volumes = json.loads(self.run("kubectl", "get", "persistentvolumes", "-o", "json").output)["items"]
        namespaces = self.run("kubectl", "get", "namespaces", "-o", "name").output.split()
        return {
            "namespace": [name for name in namespaces if name == f"namespace/{NAMESPACE}"],
            "volumes": [each["metadata"]["name"] for each in volumes if each["spec"].get("claimRef", {}).get("namespace") == NAMESPACE],
            "store": sorted(self.at_the_store()),
            "state": [each["urn"] for each in self.state()],
            "locks": locks(),
        }


def locks() -> list[str]:
    return [str(path) for path in (project.HOME / "backend" / ".pulumi" / "locks").rglob(f"{STACK}/*.json")]


def has_pod(stack: Stack) -> bool:
    return bool(stack.kubectl("pods", "-l", "component=standalone"))


def is_uninstalling(stack: Stack) -> bool:
    return bool(stack.kubectl("secrets", "-l", "owner=helm,status=uninstalling"))


UPS: dict[str, Moment] = {
    "the state is locked": rf"Updating \({STACK}\)",
    "the namespace is made": "tenancy-namespace creat",
    "a bucket is being made": "milvus-store-bucket creating",
    "a user is being made": "milvus-store-credential creating",
    "a user is made": "documents-store-credential created",
    "a Secret is made": "milvus-store-secret creat",
    "the preflight runs": "preflight-run creating",
    "Helm begins": "milvus-release creating",
    "Helm waits for Milvus": has_pod,
    "Milvus is ready": "milvus-release created",
}
DESTROYS: tuple[dict[str, Moment], ...] = (
    {
        "the state is locked": rf"Destroying \({STACK}\)",
        "the first object goes": "deleting",
        "Helm begins": "milvus-release deleting",
        "the preflight goes": "preflight-run delet",
        "a Secret goes": "milvus-store-secret delet",
        "a user is being removed": "milvus-store-credential deleting",
        "a bucket is being emptied": "milvus-store-bucket deleting",
        "the namespace is being removed": "tenancy-namespace deleting",
    },
    {"Helm removes Milvus": is_uninstalling, "the namespace is gone": "tenancy-namespace deleted"},
)
"""Moments at which one stack is killed while it is destroyed: two in Helm would need two of them."""


@pytest.fixture(scope="module")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the stack, which is not there yet: models are external and nobody asks, so that nothing but Milvus takes time."""
    facts = without_models(NAMESPACE)
    facts |= {
        f"{project.PROJECT}:milvus": {**facts[f"{project.PROJECT}:milvus"], "cpu_cores": 0.2},
    }
    project.configure(STACK, facts)
    file = project.config_file(STACK)
    written = yaml.safe_load(file.read_text())
    del written["config"][f"{project.PROJECT}:ask"]
    file.write_text(yaml.safe_dump(written, sort_keys=False))
    project.select(STACK)
    ENVIRONMENT.write_text(yaml.safe_dump({"config": written["config"]}))
    found = Stack(lab, tmp_path_factory.mktemp("killed"))
    try:
        yield found
    finally:
        found.run("./rag", "doctor", STACK, "--cure", "--yes", "--patience-s", "0")
        destroyed = found.run("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive")
        found.run("pulumi", "stack", "rm", "--yes", STACK)
        ENVIRONMENT.unlink(missing_ok=True)  # `stack rm` removes what it takes for its own
        assert destroyed.code == 0, destroyed.output


def codes(doctor: Ended) -> list[str]:
    return re.findall(r"half-done: .*\[([a-z_.]+)\]$", doctor.output, re.MULTILINE)


def note(operation: str, moment: str, doctor: Ended) -> None:
    """Keep what doctor said, for the table in docs/reliability.md."""
    SEEN.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    kept[f"{operation}: {moment}"] = codes(doctor)
    SEEN.write_text(json.dumps(kept, indent=2) + "\n")


@pytest.mark.timeout(1_500)
def test_an_up_killed_at_ten_moments_ends_as_a_whole_one_does_when_it_is_typed_again(stack: Stack) -> None:
    deploy = ("./rag", "deploy", STACK, "--yes", "--patience-s", "0")
    for name, moment in UPS.items():
        stack.killed_at(moment, *deploy)
        doctor = stack.run("./rag", "doctor", STACK)
        note("./rag deploy", name, doctor)
        assert (doctor.code, "state.stale_lock" in codes(doctor)) == (1, True), f"{name}: {doctor.output}"
    again = stack.run(*deploy)
    assert again.code == 0, again.output
    assert stack.run("./rag", "doctor", STACK).code == 0
    assert locks() == []
    known = {str(each.get("id", "")).removeprefix(f"{NAMESPACE}/") for each in stack.state()}
    assert [name for name in stack.in_the_cluster() if name.partition(" ")[2] not in known] == []
    assert [name for name in stack.at_the_store() if name not in known] == []
    assert [each["metadata"]["labels"]["status"] for each in stack.kubectl("secrets", "-l", "owner=helm")] == ["deployed"]
    unchanged = stack.run("pulumi", "preview", "--stack", STACK, "--non-interactive", "--expect-no-changes")
    assert unchanged.code == 0, unchanged.output


@dataclass(frozen=True)
class Gate:
    """The gate with few vectors: of the stack it measures Milvus, and of the lab the models, since the stack has none."""

    stack: Stack
    target: Path
    milvus: MilvusClient

    def command(self, *, with_dear: bool) -> list[str]:
        home = self.target.parent
        return ["./rag", "gate", str(self.target), "--slo", str(profile(home, with_dear=with_dear)), "--out", str(home / "out")]

    def collections(self) -> set[str]:
        return {name for name in self.milvus.list_collections() if name.startswith("gate_")}


GATES: dict[str, tuple["str | Callable[[Gate], bool]", bool, int]] = {
    "Milvus was reached": (lambda _: bool(connections_to_milvus()), False, 0),
    "a collection is made": (lambda gate: bool(gate.collections()), False, 1),
    "rows are stored": (r"\bingest 2,000/2,000", False, 1),
    "rows are in memory alone": (lambda gate: any(name.endswith("_segments") for name in gate.collections()), True, 2),
    "the index is built": (r"\bindex: flush", False, 1),
    "everything is loaded anew": (r"\bload: release", False, 1),
    "searches warm up": (r"\bsearch: 50 to warm up", False, 1),
    "searches are timed": (r"\bsearch [1-9]\d*/500", False, 1),
    "questions are answered": (r"\banswer \d+/", False, 1),
    "documents stream in": (r"\bsearch at .* stream in", True, 2),
}
"""Each moment, whether checks that take long run before it, and how many collections it leaves."""


def connections_to_milvus() -> list[Any]:
    """Return those of the gate that these tests began."""
    gates = [child for child in psutil.Process().children(recursive=True) if "gate" in child.cmdline()]
    return [each for gate in gates for each in gate.net_connections() if each.raddr and each.raddr.port == MILVUS_PORT]


@pytest.fixture(scope="module")
def gate(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    whole = stack.run("./rag", "deploy", STACK, "--yes", "--patience-s", "0")
    assert whole.code == 0, whole.output
    (service,) = stack.kubectl("services", "--field-selector", "metadata.name=milvus")
    uri = f"http://{service['spec']['clusterIP']}:{MILVUS_PORT}"
    target = tmp_path_factory.mktemp("gate") / "target.json"
    target.write_text(json.dumps(stack.lab.outputs() | {"milvus_uri": uri, "ask_url": "", "ask_secret_name": ""}))
    with closing(MilvusClient(uri=uri, timeout=30)) as milvus:
        yield Gate(stack, target, milvus)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GATES, ids=[name.replace(" ", "-") for name in GATES])
def test_what_a_killed_gate_left_in_milvus_is_named_and_goes_by_the_command_that_doctor_shows(gate: Gate, name: str) -> None:
    moment, with_dear, number = GATES[name]
    seen = moment if isinstance(moment, str) else (lambda _, is_there=moment: is_there(gate))
    gate.stack.killed_at(seen, *gate.command(with_dear=with_dear))
    left = gate.collections()
    assert len(left) == number
    doctor = gate.stack.run("./rag", "doctor", STACK)
    note("./rag gate", name, doctor)
    assert (doctor.code, codes(doctor)) == ((1, ["collections.left_over"]) if left else (0, [])), doctor.output
    if left:
        shown = re.search(r"\./rag collections \w+( --drop \S+)+", doctor.output)
        assert shown is not None, doctor.output
        dropped = gate.stack.run(*shown[0].split())
        assert (dropped.code, [name for name in left if name not in dropped.output]) == (0, []), dropped.output
    assert gate.collections() == set()


@pytest.mark.timeout(600)
def test_a_gate_after_a_killed_one_is_judged_and_names_what_that_one_left(gate: Gate) -> None:
    gate.stack.killed_at(r"\bingest 2,000/2,000", *gate.command(with_dear=False))
    (left,) = gate.collections()
    ended = gate.stack.run(*gate.command(with_dear=False))
    report = json.loads((gate.target.parent / "out" / "report.json").read_text())
    assert ended.code == exit_code(Outcome(report["result"]["outcome"]), strict=False), ended.output
    assert report["objectives"], ended.output
    assert f"--drop {left}" in ended.output
    assert gate.collections() == {left}, "its own are gone, and what is somebody else's is left alone"
    assert gate.stack.run("./rag", "collections", STACK, "--drop", left).code == 0
    assert gate.stack.run("./rag", "doctor", STACK).code == 0


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("moments", DESTROYS, ids=["eight moments", "two more"])
def test_a_destroy_that_was_killed_ends_with_nothing_left_when_it_is_typed_again(stack: Stack, moments: dict[str, Moment]) -> None:
    """Before it is typed again `./rag doctor --cure` takes away what Pulumi would stumble over."""
    whole = stack.run("./rag", "deploy", STACK, "--yes", "--patience-s", "0")
    assert whole.code == 0, whole.output
    destroy = ("pulumi", "destroy", "--stack", STACK, "--yes", "--skip-preview", "--non-interactive")
    for name, moment in moments.items():
        stack.killed_at(moment, *destroy)
        cured = stack.run("./rag", "doctor", STACK, "--cure", "--yes", "--patience-s", "0")
        note("pulumi destroy", name, cured)
        assert "state.stale_lock" in codes(cured), f"{name}: {cured.output}"
        assert cured.code in {0, 4}, f"{name}: {cured.output}"  # 4: nothing of it is deployed any more
    destroyed = stack.run(*destroy)
    assert destroyed.code == 0, destroyed.output
    deadline = time.monotonic() + _PATIENCE_S
    while any((left := stack.left()).values()) and time.monotonic() < deadline:  # a volume goes after its claim
        time.sleep(1)
    assert not any(left.values()), left
