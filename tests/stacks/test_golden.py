"""What two environments come to, to the last field: a change shows itself in a file that somebody reads.

`prod` is what most users start from, `difficult` sets everything that platforms ask for. The release of Milvus with its values is one of
the objects. To accept a change: GOLDEN=write .venv/bin/pytest tests/stacks/test_golden.py, then read the difference.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks import environments, rendering
from stacks.environments import Environment
from stacks.rendering import Object
from tests.stacks import difficult

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENTS: dict[str, Callable[[], Environment]] = {
    "prod": lambda: environments.load("prod", own_files_only=True),
    "difficult": difficult.environment,
}


def shown(item: Object) -> str:
    """Without the program that a ConfigMap carries, which has its own file."""
    if item.kind != "ConfigMap":
        return item.text
    names = dict.fromkeys(item.manifest.get("data", {}), "<a file>")
    return Object(origin=item.origin, type=item.type, logical_name=item.logical_name, manifest={**item.manifest, "data": names}).text


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_the_one_that_was_read(name: str) -> None:
    rendered = rendering.render(ENVIRONMENTS[name]()).objects
    now = "---\n".join(shown(item) for item in rendered if item.origin == "stack")
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now
