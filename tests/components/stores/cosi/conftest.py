"""The lab's API server with the kinds of COSI, a namespace with the operator's least rights in it, and the stand-in at work there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.stores.s3 import S3Server
from lab.places import KUBECONFIG
from tests.components.stores.cosi import definitions
from tests.components.stores.cosi.stand_in import StandIn
from tests.e2e import operator_account
from tests.e2e.lab import Lab

NAMESPACE = "cosi-e2e"


@pytest.fixture(scope="module")
def cosi_kinds(lab: Lab) -> Iterator[None]:
    """Make the cluster know COSI, and forget it again."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions.all_of_them()})
    names = [one["metadata"]["name"] for one in definitions.all_of_them()]
    made = lab.run("bash", "-c", 'kubectl create -f - <<<"$1"', "-", manifest)
    assert made.code == 0, made.output
    try:
        waited = lab.run("kubectl", "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names))
        assert waited.code == 0, waited.output
        yield
    finally:
        lab.run("kubectl", "delete", "crd", *names, "--timeout=60s")


@pytest.fixture(scope="module")
def operator(lab: Lab, cosi_kinds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kubeconfig of an account with docs/rbac.yaml and docs/rbac-cosi.yaml and nothing else."""
    assert cosi_kinds is None
    try:
        yield operator_account.kubeconfig(lab, NAMESPACE, tmp_path_factory.mktemp("operator"), "docs/rbac-cosi.yaml")
    finally:
        operator_account.remove(lab, NAMESPACE)


@pytest.fixture(scope="module")
def cosi(lab: Lab, operator: Path, store: S3Server) -> Iterator[StandIn]:
    """Start the stand-in with the lab's own rights."""
    assert operator
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(KUBECONFIG))
        running = StandIn(store, NAMESPACE)
        running.start()
        running.opened.wait(30)
    yield running
    running.faults = {}
    for kinds, place in (
        ("bucketaccesses", ["-n", NAMESPACE]),
        ("bucketclaims", ["-n", NAMESPACE]),
        ("bucketclasses,bucketaccessclasses", []),
    ):
        lab.run("kubectl", *place, "delete", kinds, "--all", "--timeout=60s")  # what a test that failed left over
    running.stop()
