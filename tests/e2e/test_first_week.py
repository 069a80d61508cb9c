"""What a user looks at in the first week, on a running environment: check, posture, status, collections; each changes nothing."""

import json
from typing import Any

import pytest

from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e


def reported(lab: Lab, command: str) -> Any:
    """Return what `./rag COMMAND --json` prints on standard output."""
    ended = lab.run("sh", "-c", f"./rag {command} --json 2>/dev/null")
    return json.loads(ended.output)


def test_check_asks_from_a_pod_which_is_gone_afterwards(lab: Lab) -> None:
    lines = reported(lab, "check lab")
    assert [line for line in lines if line["level"] == "FAIL"] == []
    assert sum(line["what"] == "from a pod in 'rag'" and line["level"] == "OK" for line in lines) == 2
    jobs = [job["metadata"]["name"] for job in lab.kubectl("-n", "rag", "get", "jobs")["items"]]
    assert [name for name in jobs if name.startswith("check-")] == []


def test_every_running_pod_is_guarded_as_its_spec_says_and_was_asked_inside(lab: Lab) -> None:
    lines = reported(lab, "check lab --posture")
    assert lines
    assert [line for line in lines if line["level"] != "OK" or "not tried" in line["seen"]] == []


def test_status_shows_release_pods_collections_and_store(lab: Lab) -> None:
    lines = reported(lab, "status lab")
    assert [line for line in lines if line["level"] == "FAIL"] == []
    assert {"release", "key at the store", "object store"} <= {line["what"] for line in lines}
    assert any(line["what"].startswith("collection") for line in lines)


def test_collections_are_listed(lab: Lab) -> None:
    assert all({"name", "rows", "state", "segments"} == each.keys() for each in reported(lab, "collections lab"))
