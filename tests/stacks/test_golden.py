"""What each environment comes to, to the last field: a change shows itself in a file that somebody reads.

To accept a change: GOLDEN=write .venv/bin/pytest tests/stacks/test_golden.py, then read the difference.
"""

import os
from pathlib import Path

import pytest

from stacks import environments, objects
from stacks.objects import Object

GOLDEN = Path(__file__).parent / "golden" / "environments"


def shown(item: Object) -> str:
    """Without the program that a ConfigMap carries, which has its own file."""
    if item.kind != "ConfigMap":
        return item.text
    names = dict.fromkeys(item.manifest.get("data", {}), "<a file>")
    return Object(origin=item.origin, type=item.type, logical_name=item.logical_name, manifest={**item.manifest, "data": names}).text


@pytest.mark.parametrize("name", environments.names())
def test_an_environment_is_the_one_that_was_read(name: str) -> None:
    found = objects.of(environments.load(name, own_files_only=True)).found
    now = "---\n".join(shown(item) for item in found if item.origin == "stack")
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(environments.names())
