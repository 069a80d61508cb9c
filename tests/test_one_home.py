"""One home for each of the things that a code base likes to make twice. A second home is found here.

A list holds the homes that are meant, and after them the ones that are still to go: that one may only get shorter.
"""

import ast
import functools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.places import REPOSITORY
from stacks import yaml_files
from validation.reports import model

PRODUCT = ("components", "stacks", "validation", "grpc_unary", "lab", "policies", "cli")


@functools.cache
def files() -> list[tuple[str, ast.Module]]:
    paths = [path for folder in PRODUCT for path in sorted((REPOSITORY / folder).rglob("*.py")) if ".venv" not in path.parts]
    return [(path.relative_to(REPOSITORY).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield receiver, name and call of every call, such as (`boto3`, `Session`, ...)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Attribute):  # a receiver that is no name is none of those that are looked for
                yield name.value.id if isinstance(name.value, ast.Name) else "", name.attr, node
            elif isinstance(name, ast.Name):
                yield "", name.id, node


def makes_an_s3_client(tree: ast.Module) -> bool:
    return any((receiver, name) in {("boto3", "Session"), ("boto3", "client")} for receiver, name, _ in calls(tree))


def makes_a_kubernetes_client(tree: ast.Module) -> bool:
    return any(name in {"load_kube_config", "load_incluster_config"} for _, name, _ in calls(tree))


def waits_in_a_loop(tree: ast.Module) -> bool:
    loops = (node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For | ast.AsyncFor))
    return any((receiver, name) == ("time", "sleep") for loop in loops for receiver, name, _ in calls(loop))


def replaces_a_file(tree: ast.Module) -> bool:
    """Whether it writes a file beside another one and renames it: `Path.replace` has one argument, that of a text has two."""
    return any(
        (name == "replace" and len(call.args) == 1 and not call.keywords) or (receiver, name) in {("os", "replace"), ("os", "rename")}
        for receiver, name, call in calls(tree)
    )


def takes_percentiles(tree: ast.Module) -> bool:
    return any(name in {"percentile", "quantile", "quantiles"} for _, name, _ in calls(tree))


def prints_a_result(tree: ast.Module) -> bool:
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return any(isinstance(value, str) and value.startswith("RESULT:") for value in constants)


HOMES: dict[str, tuple[Callable[[ast.Module], bool], set[str], set[str]]] = {
    "S3 client": (
        makes_an_s3_client,
        {
            "components/stores/connection.py",
            "components/load_weights.py",  # runs alone in a container, where nothing of ours is
            "validation/clients/documents.py",  # validation imports nothing of ours
            "lab/stores.py",  # nor does the lab
        },
        {"validation/checks/storage/aim.py"},
    ),
    "Kubernetes client": (
        makes_a_kubernetes_client,
        {"components/kube_api.py", "validation/clients/kube.py"},
        set(),
    ),
    "waiting loop": (
        waits_in_a_loop,
        set(),
        {
            "validation/clients/milvus.py",
            "validation/load/pods/generator.py",
            "validation/load/pods/job.py",
            "validation/load/pods/coordinator.py",
            "lab/lock.py",
            "lab/logs.py",
            "lab/node.py",
            "lab/process_tree.py",
        },
    ),
    "file replaced at once": (
        replaces_a_file,
        {"components/load_weights.py", "stacks/yaml_files.py", "lab/places.py"},
        {
            "validation/reports/model.py",
            "lab/images/build.py",
            "lab/logs.py",
            "lab/project.py",
            "lab/toolchain.py",
        },
    ),
    "percentiles": (takes_percentiles, {"validation/judge/interval.py"}, set()),
    "RESULT line": (
        prints_a_result,
        set(),
        {
            "validation/corpus/citation.py",
            "validation/reports/history.py",
            "validation/reports/table.py",
            "validation/run/interrupts.py",
        },
    ),
}


@pytest.mark.parametrize("what", HOMES)
def test_there_is_no_second_home(what: str) -> None:
    has_it, meant, to_go = HOMES[what]
    there = {path for path, tree in files() if has_it(tree)}
    assert not there - meant - to_go, "use the home that is meant"
    assert not meant - there, "a home that is gone leaves the list"


def test_a_second_home_would_be_found() -> None:
    samples = {
        "S3 client": "import boto3\nboto3.client('s3')",
        "Kubernetes client": "config.load_kube_config()",
        "waiting loop": "while True:\n    time.sleep(1)",
        "file replaced at once": "fresh.replace(path)",
        "percentiles": "numpy.percentile(samples, 95)",
        "RESULT line": "print('RESULT: PASS')",
    }
    for what, sample in samples.items():
        has_it, *_ = HOMES[what]
        assert has_it(ast.parse(sample)), what
        assert not has_it(ast.parse("text.replace('a', 'b')\ntime.sleep(1)")), what


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
@pytest.mark.parametrize("write", [model.write_whole, yaml_files.write_whole])
def test_a_device_stays_a_device(write: Callable[[Path, str], None], tmp_path: Path) -> None:
    null = tmp_path / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    write(null, "a report")
    assert stat.S_ISCHR(null.stat().st_mode)
    assert list(tmp_path.iterdir()) == [null]
    report = tmp_path / "report.json"
    write(report, "a report")
    assert report.read_text() == "a report"
