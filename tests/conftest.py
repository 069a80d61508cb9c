"""The lab for tests that are marked e2e: the one that is up, else one that is brought up and taken down again."""

import functools
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pulumi.runtime.resource
import pytest
from hypothesis import settings
from pulumi.runtime.proto import source_pb2

from tests.e2e.lab import STORY, Lab
from tests.e2e.run import files_on_the_lab

settings.register_profile("patient", deadline=None)  # no test fails because the machine was slow
settings.load_profile("patient")


_LONG = (
    "test_fuzz.py",
    "test_door.py",
    "test_blueprint.py",
    "test_render.py",
    "test_quality.py",
    "test_checks.py",
    "test_stands.py",
    "test_stands_reports.py",
    "test_stack.py",
    "test_half_done.py",
    "test_gate.py",
    "test_backup.py",
    "test_ask.py",
    "test_ingest_e2e.py",
    "test_monitoring.py",
    "test_isolation.py",
    "test_milvus_access.py",
    "test_models.py",
    "test_platform.py",
    "test_first_week.py",
    "test_pods_that_cannot_start.py",
    "test_preview.py",
    "test_cosi.py",
)
"""First, the longest of all first: a file stays with one worker, and one that takes minutes would keep it alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test of `./rag down` come last, since nothing else can run after it, and the longest files first."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("last") is not None,
            _LONG.index(name) if (name := item.path.name) in _LONG else len(_LONG),
        )
    )
    for item in items:
        if item.get_closest_marker("e2e") and item.path not in files_on_the_lab():
            raise pytest.UsageError(f"{item.path}: no `mark.e2e` stands in this file, so neither `make test` nor `make proof` reads it")


@pytest.fixture(scope="session", autouse=True)
def _models_of_boto_are_read_once() -> Iterator[None]:
    """Let sessions of boto share what describes S3, as clients of one session do: it takes 0.2 s of CPU to read, for each client anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_resource_says_where_it_was_declared() -> Iterator[None]:
    """Leave out the stack of calls that Pulumi gives its engine with each resource: a quarter of what declaring a stack takes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(autouse=True)
def _pickler_as_it_was() -> Iterator[None]:
    """Take off what Pulumi lays around pickle's pickler for each dynamic provider and leaves there: a thousand of them are too deep."""
    pickler: Any = pickle._Pickler
    before = pickler._batch_setitems, pickler.save_dict
    yield
    pickler._batch_setitems, pickler.save_dict = before


@pytest.fixture(scope="session", autouse=True)
def _lab_on_path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give e2e tests the lab's tools and its cluster; unit tests get nothing."""
    if not any(item.get_closest_marker("e2e") for item in request.session.items):
        yield
        return
    lab: Lab = request.getfixturevalue("lab")
    with pytest.MonkeyPatch.context() as patch:
        environment = lab.environment()
        # not the lab's own stack, backend or passphrase: a test names the stack that it means
        for name in ("PATH", "KUBECONFIG", "PULUMI_HOME", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"):
            if name in environment:
                patch.setenv(name, environment[name])
        yield


@pytest.fixture(scope="session")
def proof(request: pytest.FixtureRequest) -> bool:
    """Whether tests marked `proof` run, which may want more of a fixture than others do."""
    return any(item.get_closest_marker("proof") for item in request.session.items)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, proof: bool) -> Iterator[Lab]:
    """Return the lab; what was not up before is not up afterwards."""
    if STORY in os.environ:
        yield Lab.told(print, Path(os.environ[STORY]))
        return
    found = Lab(request.config.get_terminal_writer().line)
    if not found.was_up:
        found.bring_up(stopped_before=proof)
    try:
        yield found
    finally:
        if not found.was_up:
            found.take_down()


@pytest.fixture(scope="session")
def own_lab(lab: Lab) -> Lab:
    """Return a lab that these tests brought up themselves."""
    if lab.was_up:
        pytest.skip("a lab was up already, so `./rag up` and `./rag down` themselves were not tried: `./rag down`, then `make test`")
    return lab
