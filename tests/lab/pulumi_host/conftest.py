"""The stack that the end-to-end tests of the stand-ins share."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pulumi_host.stand_in_stack import Stack


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the project whose files the test is parametrised with; its namespace goes afterwards, with all that is in it."""
    project, backend = tmp_path / "project", tmp_path / "backend"
    for folder in (project, backend):
        folder.mkdir()
    for name, text in {"Pulumi.yaml": "name: stand-in\nruntime: python\n", **request.param}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    environment = {
        **os.environ,
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    environment.pop("PULUMI_OPTION_CONFIG_FILE", None)  # names the configuration of the lab's own stack
    made = Stack(project, environment, f"stand-in-{uuid.uuid4().hex[:8]}", f"very-secret-{uuid.uuid4().hex}")
    made.must("stack", "init", "test")
    made.must("config", "set-all", "--plaintext", f"namespace={made.namespace}", "--secret", f"password={made.password}")
    yield made
    remove = ["kubectl", "delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false"]
    subprocess.run(remove, env=environment, capture_output=True, check=True)
