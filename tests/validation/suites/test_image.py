"""The suite's own image: what it is made of."""

import ast
import re
import sys
from pathlib import Path

CONTAINERFILE = Path("validation/Containerfile").read_text(encoding="utf-8")
_PACKAGE_OF = {
    "google": "protobuf",
    "grpc": "grpcio",
    "hdrh": "hdrhistogram",
    "markdown_it": "markdown-it-py",
    "oxmsg": "python-oxmsg",
    "webvtt": "webvtt-py",
    "yaml": "pyyaml",
}


def _locked(path: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==([^ ;\\]+)", Path(path).read_text(encoding="utf-8")))


def _imported() -> set[str]:
    """Every package that a module of the image names outside TYPE_CHECKING."""
    names = set()
    for path in (path for folder in ("validation", "grpc_unary") for path in Path(folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing_only = {id(node) for block in ast.walk(tree) if _is_typing_only(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            if id(node) in typing_only:
                continue
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"validation", "grpc_unary"}


def _is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_whatever_is_copied_into_the_image_is_sent_to_its_builder() -> None:
    copied = {source.partition("/")[0] for source in re.findall(r"(?m)^COPY (?!--from)(\S+) ", CONTAINERFILE)}
    sent = re.findall(r"(?m)^!(\S+)$", Path("validation/Containerfile.dockerignore").read_text(encoding="utf-8"))
    assert copied == set(sent)


def test_every_package_that_the_suite_imports_is_in_the_lock_of_its_image() -> None:
    locked = _locked("validation/requirements.lock")
    assert {_PACKAGE_OF.get(name, name.replace("_", "-")) for name in _imported()} <= set(locked)


def test_the_image_runs_the_versions_that_the_operators_machine_runs() -> None:
    root = _locked("requirements.lock")
    assert {name: version for name, version in _locked("validation/requirements.lock").items() if root.get(name) != version} == {}


def test_every_locked_package_has_a_hash_and_no_index_is_named() -> None:
    text = Path("validation/requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"(?m)^(?=[a-z0-9-]+==)", text)[1:]
    assert len(blocks) > 30
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_the_containerfile_takes_packages_by_hash_only_and_names_no_base_that_nobody_verified() -> None:
    assert "--require-hashes" in CONTAINERFILE
    assert re.findall(r"(?m)^FROM (\S+)", CONTAINERFILE) == ["${BASE}", "${BASE}"]
    assert re.search(r"(?m)^ARG BASE$", CONTAINERFILE)
    assert re.search(r"(?m)^USER [1-9]\d*:[1-9]\d*$", CONTAINERFILE)
