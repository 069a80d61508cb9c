"""docs/dependencies.md names everything that is asked for by name, and the bill of materials everything that is locked."""

import re
from pathlib import Path

import pytest
import yaml

from lab.places import REPOSITORY
from tests.sbom.contents import debian, modules, subjects, wheels

PAGE = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
ASKED = sorted(path for path in REPOSITORY.rglob("requirements.in") if ".venv" not in path.parts)
BUILDS = sorted(REPOSITORY.glob("lab/tools/*/go.mod"))


def names(path: Path) -> set[str]:
    """What a requirements.in asks for."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {re.split(r"[\[=<>;~ ]", line)[0].lower() for line in lines if line and not line.startswith("-")}


def named(word: str, page: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", page, re.IGNORECASE) is not None


@pytest.mark.parametrize("path", ASKED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_package_that_is_asked_for_is_on_the_page(path: Path) -> None:
    missing = {name for name in names(path) if not name.startswith("types-") and not named(name, PAGE)}
    assert not missing


@pytest.mark.parametrize("path", BUILDS, ids=lambda path: path.parent.name)
def test_every_module_that_a_build_requires_itself_is_on_the_page(path: Path) -> None:
    direct = re.findall(r"^(?:require )?\s*([\w./-]+\.[\w./-]+) v\S+$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert direct
    assert {name for name in direct if not re.search(re.escape(re.sub(r"/v\d+$", "", name)), PAGE)} == set()


def test_every_lock_of_a_package_index_is_in_the_bill_of_materials_or_only_for_tests() -> None:
    found = {name: {part.name for part in parts} for name, parts in subjects(REPOSITORY).items()}
    for lock in (path for path in REPOSITORY.rglob("*requirements.lock") if not {".venv", "tests"} & set(path.parts)):
        assert any({each.name for each in wheels(lock)} <= parts for parts in found.values()), lock
    for build in BUILDS:
        assert {each.name for each in modules(build.parent)} <= found[f"go-{build.parent.name}"]
    recipes = yaml.safe_load((REPOSITORY / "lab/images/recipes.yaml").read_text())["packages"]
    assert {*recipes["base"], *recipes["python"]} <= found["image-suite"]


def test_a_lock_is_read_whole() -> None:
    lock = REPOSITORY / "requirements.lock"
    found = list(wheels(lock))
    assert len(found) == len(re.findall(r"^\S+==", lock.read_text(), re.MULTILINE)) > 100
    assert all(each.hashes for each in found)
    assert all(each.version for each in debian(["tini"]))
