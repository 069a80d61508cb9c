"""`./rag status` on the running lab."""

import os
import re
import signal

import pytest

from lab import process_tree, status
from tests.e2e.lab import Lab, run

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


def told(lab: Lab) -> str:
    return run(["./rag", "status"], lab.environment()).output


def test_every_part_has_a_pid_an_age_and_memory_and_every_address_answers(lab: Lab) -> None:
    text = told(lab)
    for part in ("etcd", "kube-apiserver", "kubelet", "containerd", "versitygw-s3", "greenlake-emulator"):
        assert re.search(rf"^{part} +\d+ +\d+:\d\d:\d\d +[1-9]\d* MiB", text, re.MULTILINE), text
    for address in ("Kubernetes API", "S3 API", "milvus_uri", "embedding_url", "llm_url", "ask_url"):
        assert re.search(rf"^{address} +http\S+ +yes", text, re.MULTILINE), text


@pytest.mark.usefixtures("lab")
def test_a_part_that_was_killed_comes_again_and_is_counted() -> None:
    before = next(part for part in status.look().parts if part.name == "volume-provisioner")
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    after = process_tree.wait_for(lambda: _another(before.pid), 30, "the provisioner is not started again", "./rag down; ./rag up")
    assert after == before.restarts + 1


def _another(pid: int | None) -> int | None:
    part = next(part for part in status.look().parts if part.name == "volume-provisioner")
    return part.restarts if part.pid not in (None, pid) else None
