"""Mutation testing of the judging: mutmut changes one operator, number or word at a time, and each change must make a test fail.

It works on a copy in build/mutation, with an environment of its own that also sees the project's packages. docs/mutation.md explains every
change that no test notices; one that is not explained there makes this command fail. Not part of `make test`: it takes minutes.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "mutation"
MUTATED = ("judge/judgement.py", "judge/validity.py", "judge/criteria.py", "load/histogram.py")
TESTS = ("judge", "load/test_histogram.py", "conftest.py", "services.py")
_CONFIG = """
[tool.mutmut]
source_paths = ["validation"]
only_mutate = [{only}]
also_copy = ["tests"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:randomly"]
pytest_add_cli_args_test_selection = ["tests"]
use_git_change_detection = false

[tool.pytest.ini_options]
addopts = "--import-mode=importlib"
pythonpath = ["."]
"""


def main() -> int:
    """Make the copy and the environment, run mutmut, and compare what survived with what is explained."""
    python = _environment()
    _copy()
    subprocess.run([python, "-m", "mutmut", "run", "--max-children", "2"], cwd=HOME / "work", check=False)
    said = subprocess.run(
        [python, "-m", "mutmut", "results", "--all", "true"], cwd=HOME / "work", capture_output=True, text=True, check=True
    )
    results = dict(re.findall(r"^\s*(\S+): ([a-z ]+)$", said.stdout, re.MULTILINE))
    survived = {name for name, result in results.items() if result not in {"killed", "timeout"}}
    explained = set(re.findall(r"^\| `(\S+)`", (ROOT / "docs" / "mutation.md").read_text(encoding="utf-8"), re.MULTILINE))
    print(f"{len(results)} changes, {len(results) - len(survived)} noticed, {len(survived)} not")
    for name in sorted(survived):
        shown = subprocess.run([python, "-m", "mutmut", "show", name], cwd=HOME / "work", capture_output=True, text=True, check=False)
        print(f"{'explained' if name in explained else 'NOT EXPLAINED'}: {name} ({results[name]})\n{shown.stdout}")
    return 1 if not results or survived - explained else 0


def _environment() -> str:
    """Return mutmut's own Python: its packages from the lock beside this file, the project's from where they are."""
    python = HOME / "venv" / "bin" / "python"
    if not python.exists():
        uv = [str(Path(sys.executable).parent / "uv"), "-q"]
        subprocess.run([*uv, "venv", "--python", sys.executable, str(HOME / "venv")], check=True)
        lock = Path(__file__).with_name("requirements.lock")
        subprocess.run([*uv, "pip", "install", "--require-hashes", "--python", str(python), "-r", str(lock)], check=True)
        project = next(path for path in map(Path, sys.path) if path.name == "site-packages")
        (next((HOME / "venv" / "lib").iterdir()) / "site-packages" / "project.pth").write_text(f"{project.resolve()}\n", encoding="utf-8")
    return str(python)


def _copy() -> None:
    work = HOME / "work"
    shutil.rmtree(work, ignore_errors=True)
    for package in ("validation", "grpc_unary"):
        shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in TESTS:
        source, copy = ROOT / "tests" / "validation" / name, work / "tests" / "validation" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    only = ", ".join(f'"validation/{name}"' for name in MUTATED)
    (work / "pyproject.toml").write_text(_CONFIG.format(only=only), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
