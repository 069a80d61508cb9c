"""The node's own code, copied into the state: a lab outlives the checkout that started it, and knows with which code it runs."""

import hashlib
import shutil
from pathlib import Path

from lab.places import CODE, REPOSITORY

PARTS = ("__init__.py", "daemons.py", "errors.py", "logs.py", "node.py", "places.py", "greenlake")
"""What `python -m lab.node` and the emulator of the GreenLake API import of this package."""


def sources(package: Path = REPOSITORY / "lab") -> list[Path]:
    """Return the files that the node runs, in a fixed order."""
    found = [path for part in PARTS for path in (sorted((package / part).rglob("*")) if (package / part).is_dir() else [package / part])]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def name() -> str:
    """Return what tells this code from other code: a tree that runs with other code is started anew."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(REPOSITORY).as_posix().encode() + path.read_bytes())
    return f"node-{digest.hexdigest()[:12]}"


def install(target: Path = CODE) -> None:
    """Copy it to `target`; killed in the middle, it is copied again by the next `make up`, before anything is started from it."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sources():
        copy = target / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
