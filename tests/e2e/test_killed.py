"""What was killed in the middle is named by `./rag doctor`, and ends right when it is typed again: deploy, gate, rotate, destroy.

On a stack of its own with a Milvus, buckets and users of its own; whatever they started is killed too: Pulumi, its plugins, the Helm in
them. An upgrade has test_upgrade.py, backup and restore have test_backup.py, `./rag up` has `make drill-kill`.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from components.milvus_values import CREDENTIAL_ANNOTATION
from lab import project
from lab.places import REPOSITORY, network
from stacks.operations import pulumi_cli
from tests.e2e.lab import Ended, Lab, killed_at, without_models
from tests.e2e.test_gate import profile
from tests.e2e.test_red_store import as_administrator
from validation.judge.errors import Outcome, exit_code

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

STACK, NAMESPACE = "killed", "rag-killed"
ENVIRONMENT = REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml"
"""What makes an environment of it, which is what commands of the operator want; there only while these tests run."""
SEEN = REPOSITORY / "build" / "drills" / "killed.json"
"""What doctor said after each kill, for docs/reliability.md."""
_PATIENCE_S = 300
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
        """Run a command until that moment, kill it with all that it started, and return what it said."""
        return killed_at(moment if isinstance(moment, str) else partial(moment, self), command, self.shell, self.home / "said")

    @property
    def milvus_uri(self) -> str:
        (service,) = self.kubectl("services", "--field-selector", "metadata.name=milvus")
        return f"http://{service['spec']['clusterIP']}:{MILVUS_PORT}"

    def state(self, *options: str) -> list[dict[str, Any]]:
        exported = self.run("pulumi", "stack", "export", "--stack", STACK, *options)
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

    def keys_at_the_store(self) -> dict[str, list[str]]:
        """Return the access keys of each user of this stack that the store has."""
        with closing(as_administrator("iam", network().iam_endpoint)) as iam:
            users = [each["UserName"] for each in iam.list_users()["Users"] if each["UserName"].startswith(NAMESPACE)]
            listed = {user: iam.list_access_keys(UserName=user)["AccessKeyMetadata"] for user in users}
        return {user: [key["AccessKeyId"] for key in keys] for user, keys in listed.items()}

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


def locks(stack: str = STACK) -> list[str]:
    return [str(path) for path in (project.HOME / "backend" / ".pulumi" / "locks").rglob(f"{stack}/*.json")]


def has_pod(stack: Stack) -> bool:
    return bool(stack.kubectl("pods", "-l", "component=standalone"))


def is_uninstalling(stack: Stack) -> bool:
    return bool(stack.kubectl("secrets", "-l", "owner=helm,status=uninstalling"))


UPS: dict[str, Moment] = {
    "the state is locked": rf"Updating \({STACK}\)",
    "the namespace is made": "tenancy-namespace creat",
    "a bucket is being made": "milvus-store-bucket creating",
    "a user is being made": r"milvus-store-credential\S* creating",
    "a user is made": r"documents-store-credential\S* created",
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
        "a user is being removed": r"milvus-store-credential\S* deleting",
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
    facts[f"{project.PROJECT}:milvus"] |= {"cpu_cores": 0.2}
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
    uri = stack.milvus_uri
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


def asks_for_another_key(_: Stack) -> bool:
    written = yaml.safe_load(project.config_file(STACK).read_text()) or {"config": {}}
    store = written["config"].get(f"{project.PROJECT}:object_store", {})
    return int(store.get("credential_generation", 1)) - int(store.get("revoked_generation", 0)) > 1


def restarts_on_the_new_key(stack: Stack) -> bool:
    """Whether Helm is at work, and a pod is there as it wants it that is not ready yet."""
    if not stack.kubectl("secrets", "-l", "owner=helm,status=pending-upgrade"):
        return False
    (wanted,) = (each["spec"]["template"]["metadata"]["annotations"] for each in stack.kubectl("deployments", "-l", "component=standalone"))
    for pod in stack.kubectl("pods", "-l", "component=standalone"):
        ready = ("Ready", "True") in [(each["type"], each["status"]) for each in pod["status"].get("conditions", ())]
        if not ready and pod["metadata"]["annotations"][CREDENTIAL_ANNOTATION] == wanted[CREDENTIAL_ANNOTATION]:
            return True
    return False


LOCKED, UNDER_WAY = "state.stale_lock", "rotation.unfinished"
ROTATIONS: dict[str, tuple[Moment, set[str]]] = {
    "nothing is done": (r"from generation \d", set()),
    "the settings ask for the next key": (asks_for_another_key, {UNDER_WAY}),
    "the state is locked": (rf"Updating \({STACK}\)", {LOCKED, UNDER_WAY}),
    "the new user is being made": (r"milvus-store-credential\S* creating", {LOCKED, UNDER_WAY}),
    "the new user is made": (r"milvus-store-credential\S* created", {LOCKED, UNDER_WAY}),
    "the Secret is being switched": (r"milvus-store-secret (updat|replac|creat|delet)", {LOCKED, UNDER_WAY}),
    "Milvus restarts on the new key": (restarts_on_the_new_key, {LOCKED, UNDER_WAY, "release.pending_upgrade"}),
    "the new key is in use": ("the new key opens the bucket", {UNDER_WAY}),
    "the old user is being removed": (r"milvus-store-credential\S* deleting", {LOCKED, UNDER_WAY}),
    "the old user is removed": (r"(?s)pulumi up, to remove.*Duration:", set()),
}
"""Each moment, and what doctor must find."""


@pytest.mark.timeout(1_500)
def test_a_rotation_killed_at_ten_moments_ends_with_one_key_that_milvus_uses_and_no_user_or_key_too_many(stack: Stack) -> None:
    whole = stack.run("./rag", "deploy", STACK, "--yes", "--patience-s", "0")
    assert whole.code == 0, whole.output
    with closing(MilvusClient(uri=stack.milvus_uri, timeout=60)) as milvus:
        milvus.create_collection("rotated", dimension=4)
        milvus.insert("rotated", [{"id": number, "vector": [1.0, 0, 0, number]} for number in range(10)])
        milvus.flush("rotated")
    first, rotate = stack.keys_at_the_store(), ("./rag", "rotate", STACK, "--yes", "--out", str(stack.home / "rotation.json"))
    for name, (moment, expected) in ROTATIONS.items():
        stack.killed_at(moment, *rotate)
        doctor = stack.run("./rag", "doctor", STACK)
        note("./rag rotate", name, doctor)
        assert (doctor.code, expected - set(codes(doctor))) == (int(bool(codes(doctor))), set()), f"{name}: {doctor.output}"
    again = stack.run(*rotate)
    assert again.code == 0, again.output
    assert stack.run("./rag", "doctor", STACK).code == 0
    assert locks() == []
    credentials = [
        each for each in stack.state("--show-secrets") if re.search(r"::(milvus|documents)-store-credential(-\d+)?$", each["urn"])
    ]
    keys = {str(each["id"]): [pulumi_cli.plain(each["outputs"]["access_key"])] for each in credentials}
    assert stack.keys_at_the_store() == keys
    assert (len(keys), keys.keys() & first.keys()) == (2, set()), "one user of each bucket, and neither is the one of before"
    unchanged = stack.run("pulumi", "preview", "--stack", STACK, "--non-interactive", "--expect-no-changes")
    assert unchanged.code == 0, unchanged.output
    with closing(MilvusClient(uri=stack.milvus_uri, timeout=60)) as milvus:
        milvus.release_collection("rotated")  # what is loaded anew is read from the store, and what is flushed is written there
        milvus.load_collection("rotated")
        milvus.insert("rotated", [{"id": number, "vector": [1.0, 0, 0, number]} for number in range(10, 20)])
        milvus.flush("rotated")
        assert len(milvus.query("rotated", filter="id >= 0", output_fields=["id"], consistency_level="Strong")) == 20
        milvus.drop_collection("rotated")


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
