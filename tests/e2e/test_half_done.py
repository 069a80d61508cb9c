"""What a `pulumi up` that was ended hard leaves is found, and mended with consent, on a real cluster with a small stack of its own.

The stack has what the commands look at: a namespace, a Secret, and a Helm release called milvus-release with one Deployment.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import process_tree, project
from lab.places import REPOSITORY
from tests.e2e.lab import Ended, Lab, run
from tests.e2e.program import Program

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

NAMESPACE = "half-done"
SOURCE = """
import pathlib

import pulumi
import pulumi_kubernetes as k8s

space = pulumi.Config("milvus-x10000").require("namespace")
namespace = k8s.core.v1.Namespace("tenancy-namespace", metadata={"name": space})
k8s.core.v1.Secret("milvus-store-secret", metadata={"name": "kept", "namespace": namespace.metadata["name"]})
k8s.helm.v3.Release(
    "milvus-release",
    name="milvus",
    namespace=namespace.metadata["name"],
    chart="./chart",
    values={"image": pathlib.Path("image").read_text()},
    timeout=600,
)
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: milvus-standalone}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: milvus}}
  template:
    metadata: {labels: {app: milvus}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: milvus, image: {{ .Values.image | quote }}, imagePullPolicy: IfNotPresent}]
"""
BAD_IMAGE = "127.0.0.1:1/no-such-image:1"


@dataclass(frozen=True)
class Small:
    """The stack, and commands on it."""

    program: Program
    good_image: str

    def command(self, *arguments: str) -> Ended:
        return run([sys.executable, "-m", "stacks", *arguments], self.program.environment, cwd=self.program.home)

    def kubectl(self, *arguments: str) -> str:
        return run(["kubectl", "-n", NAMESPACE, *arguments], self.program.environment).output

    def pods(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "app=milvus", "-o", "name").split()

    def until(self, is_so: Any, what: str) -> None:
        deadline = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < deadline, what
            time.sleep(0.2)

    def upgrade_that_is_ended_hard(self, how: signal.Signals) -> None:
        """Begin an upgrade to an image that is not there, and end it hard once the old pod is gone and Helm waits for the new one."""
        (self.program.home / "image").write_text(BAD_IMAGE)
        process = self.program.start("up", "--yes", "--skip-preview", "--non-interactive")
        self.until(lambda: BAD_IMAGE in self.kubectl("get", "pods", "-o", "yaml"), "the upgrade did not begin")
        os.killpg(process.pid, how)
        if how is not signal.SIGKILL:
            time.sleep(1)
            os.killpg(process.pid, how)  # as a second Ctrl-C
        process.communicate()
        process_tree.end_strays(
            project.PULUMI_HOME, without="pulumi"
        )  # as `./rag up` does: Pulumi's plugin misses a killed Pulumi after minutes
        (self.program.home / "image").write_text(self.good_image)


@pytest.fixture(scope="module")
def small(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    home = tmp_path_factory.mktemp("small")
    (home / "chart" / "templates").mkdir(parents=True)
    (home / "chart" / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "milvus", "version": "0.1.0"}))
    (home / "chart" / "templates" / "all.yaml").write_text(DEPLOYMENT)
    config = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]
    config |= {"milvus-x10000:namespace": NAMESPACE}
    (home / "image").write_text("lab.local/pause:1")
    config["milvus-x10000:milvus"] |= {"chart": str(REPOSITORY / "lab" / "chart" / "milvus")}  # read from another folder
    store = config["milvus-x10000:object_store"]
    config["milvus-x10000:object_store"] = store | {"confirm_delete": [f"{NAMESPACE}-milvus", f"{NAMESPACE}-documents"]}
    program = Program(home, lab.environment(), SOURCE, config, name="milvus-x10000", stack="lab")
    program.environment |= {"PULUMI_OPTION_CONFIG_FILE": str(program.config_file), "PULUMI_STACK": "lab"}
    found = Small(program, "lab.local/pause:1")
    try:
        yield found
    finally:
        found.command("doctor", "lab", "--cure", "--yes", "--patience-s", "0")
        program.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")


def test_an_environment_that_was_never_deployed_is_not_judged_by_what_lies_in_the_cluster(small: Small) -> None:
    ended = small.command("doctor", "lab")
    assert (ended.code, "never deployed" in ended.output) == (4, True), ended.output
    assert "context 'lab'" in ended.output


def test_after_a_good_up_nothing_is_half_done(small: Small) -> None:
    up = small.command("up", "lab")
    assert up.code == 0, up.output
    doctor = small.command("doctor", "lab")
    assert (doctor.code, "nothing is half-done" in doctor.output) == (0, True), doctor.output


def test_an_upgrade_that_a_second_sigterm_ended_is_named_and_tried_again_by_the_next_up(small: Small) -> None:
    assert small.command("up", "lab", "--yes", "--patience-s", "0").code == 0
    small.upgrade_that_is_ended_hard(signal.SIGTERM)
    assert BAD_IMAGE in small.kubectl("get", "pods", "-o", "yaml")
    doctor = small.command("doctor", "lab")
    assert (doctor.code, "[release.failed]" in doctor.output) == (1, True), doctor.output
    again = small.command("up", "lab")
    assert again.code == 0, again.output
    assert BAD_IMAGE not in small.kubectl("get", "pods", "-o", "yaml")
    assert small.command("doctor", "lab").code == 0


def test_an_upgrade_that_was_killed_is_found_and_mended_with_consent(small: Small) -> None:
    assert small.command("up", "lab", "--yes", "--patience-s", "0").code == 0
    small.upgrade_that_is_ended_hard(signal.SIGKILL)
    assert BAD_IMAGE in small.kubectl("get", "pods", "-o", "yaml")
    before = small.kubectl("get", "secrets", "-l", "owner=helm", "-o", "name")
    doctor = small.command("doctor", "lab")
    assert (doctor.code, "[release." in doctor.output) == (1, True), doctor.output
    refused = small.command("up", "lab")
    assert (refused.code, "nobody agreed to it" in refused.output) == (1, True), refused.output
    assert small.kubectl("get", "secrets", "-l", "owner=helm", "-o", "name") == before, "nothing was touched"
    mended = small.command("up", "lab", "--yes", "--patience-s", "0")
    assert mended.code == 0, mended.output
    assert BAD_IMAGE not in small.kubectl("get", "pods", "-o", "yaml")
    assert small.command("doctor", "lab").code == 0


def test_an_upgrade_by_hand_that_failed_is_rolled_back(small: Small) -> None:
    assert small.command("up", "lab", "--yes", "--patience-s", "0").code == 0
    by_hand = ["helm", "upgrade", "milvus", "./chart", "-n", NAMESPACE, "--set", f"image={BAD_IMAGE}", "--wait", "--timeout", "5s"]
    assert run(by_hand, small.program.environment, cwd=small.program.home).code != 0
    assert small.command("doctor", "lab").code == 1
    doctor = small.command("doctor", "lab", "--cure", "--yes")
    assert doctor.code == 0, doctor.output
    assert BAD_IMAGE not in small.kubectl("get", "pods", "-o", "yaml")


@pytest.mark.parametrize(
    ("deletion", "code"),
    [
        (("delete", "deployment", "milvus-standalone"), "release.objects_missing"),
        (("delete", "secret", "kept"), "state.objects_missing"),
    ],
)
def test_what_is_gone_though_every_record_says_it_is_there_is_found_and_made_again(
    small: Small, deletion: tuple[str, ...], code: str
) -> None:
    assert small.command("up", "lab", "--yes", "--patience-s", "0").code == 0
    small.kubectl(*deletion)
    plain = small.program.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert "unchanged" in plain, "Pulumi alone passes over it"
    doctor = small.command("doctor", "lab")
    assert (doctor.code, f"[{code}]" in doctor.output) == (1, True), doctor.output
    mended = small.command("up", "lab", "--yes")
    assert mended.code == 0, mended.output
    assert small.command("doctor", "lab").code == 0
    assert small.kubectl("get", "secret", "kept", "-o", "name").strip() == "secret/kept"
    small.until(small.pods, "no pod of Milvus came back")


def test_without_a_cluster_to_ask_it_is_wrong_usage(small: Small, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    environment = {**small.program.environment, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    ended = run([sys.executable, "-m", "stacks", "doctor", "lab"], environment, cwd=small.program.home)
    assert (ended.code, "set KUBECONFIG" in ended.output) == (2, True), ended.output
