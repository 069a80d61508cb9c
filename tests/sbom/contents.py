"""What is in the parts of a release: wheels by their locks, Go modules by the go.sum of each build, Debian packages by image."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
MODULE = re.compile(r"^(\S+) (v\S+) h1:\S+$", re.MULTILINE)  # not the lines of go.mod files: those modules are not in a build


@dataclass(frozen=True, order=True)
class Component:
    """One thing with a version; `hashes` are of the files that the lock allows for it."""

    kind: str  # "pypi", "golang" or "deb", as a package URL names them
    name: str
    version: str
    hashes: tuple[str, ...] = ()


def wheels(lock: Path) -> Iterator[Component]:
    """Every package of a lock."""
    text = lock.read_text(encoding="utf-8")
    starts = [*LOCKED.finditer(text)]
    for start, end in zip(starts, [*(each.start() for each in starts[1:]), len(text)], strict=True):
        yield Component("pypi", start[1].lower(), start[2], tuple(HASH.findall(text[start.end() : end])))


def modules(build: Path) -> Iterator[Component]:
    """Every module whose files a build may take; a little more than what ends up in the binary."""
    for name, version in MODULE.findall((build / "go.sum").read_text(encoding="utf-8")):
        yield Component("golang", name, version)


def debian(names: list[str]) -> Iterator[Component]:
    """The packages in the version that `apt-get download` takes on this machine, as the build of the images does."""
    shown = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True, check=True).stdout
    candidates = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", shown, re.MULTILINE)
    for name, version in candidates:
        yield Component("deb", name, version)


def subjects(root: Path) -> dict[str, list[Component]]:
    """Each part of a release by name, in the order of names."""
    recipes = yaml.safe_load((root / "lab/images/recipes.yaml").read_text(encoding="utf-8"))["packages"]
    base, python = list(debian(recipes["base"])), list(debian(recipes["python"]))
    kubernetes = list(modules(root / "lab/tools/kubernetes"))
    found = {f"go-{path.parent.name}": list(modules(path.parent)) for path in sorted(root.glob("lab/tools/*/go.sum"))}
    found |= {
        "product": list(wheels(root / "requirements.lock")),
        "policy-pack": list(wheels(root / "policies/requirements.lock")),
        "lab": [*wheels(root / "lab/go-requirements.lock"), *wheels(root / "lab/uv-requirements.lock")],
        "image-suite": [*base, *python, *wheels(root / "validation/requirements.lock")],
        "image-models": [*base, *python, *wheels(root / "lab/services/requirements.lock")],
        "image-milvus": [*base, *wheels(root / "lab/images/milvus-requirements.lock"), *kubernetes],
        "image-coredns": kubernetes,
    }
    return dict(sorted(found.items()))
