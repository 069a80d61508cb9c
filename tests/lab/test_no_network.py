"""A machine that reaches no package registry: told what and how to go on, with nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab import toolchain
from lab.errors import LabError
from lab.places import CACHE, REPOSITORY
from lab.steps import Steps

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what `python3 -m lab` needs."""
    home = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "lab", home / "lab", ignore=shutil.ignore_patterns("__pycache__", "tools", "services"))
    shutil.copy2(REPOSITORY / "requirements.lock", home)
    return home


def test_without_a_package_index_the_virtual_environment_is_not_there_rather_than_half_there(checkout: Path, tmp_path: Path) -> None:
    pip = {"PIP_INDEX_URL": NOBODY, "PIP_RETRIES": "0", "PIP_FIND_LINKS": "", "UV_INDEX_URL": NOBODY}
    environment = {**os.environ, **pip, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = subprocess.run(
        [sys.executable, "-m", "lab", "venv"], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "cure: check that pip reaches its package index" in ended.stderr
    assert not list((tmp_path / "cache").rglob("complete"))
    assert not (checkout / ".venv").exists()


def test_without_a_module_proxy_a_tool_is_not_there_rather_than_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH; `./rag up` brings its own")
    monkeypatch.setattr(toolchain, "CACHE", tmp_path)
    monkeypatch.setenv("GOPROXY", NOBODY)
    monkeypatch.setenv("GOFLAGS", "")
    with pytest.raises(LabError, match=r"(?s)connection refused.*cure: check that the Go module proxy is reachable"):
        toolchain.built("versitygw", go, Steps(log=tmp_path / "log"))
    assert list((tmp_path / "tools").iterdir()) == []


def test_files_that_a_build_embeds_come_from_a_module_that_nothing_fetched_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH; `./rag up` brings its own")
    origin, own = "example.org/origin", tmp_path / "tools" / "embedding"
    versions = tmp_path / "proxy" / origin / "@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.mod").write_text(f"module {origin}\n")
    (versions / "v1.0.0.info").write_text(json.dumps({"Version": "v1.0.0"}))
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as packed:
        packed.writestr(f"{origin}@v1.0.0/go.mod", f"module {origin}\n")
        packed.writestr(f"{origin}@v1.0.0/origin.go", "package origin\n")
        packed.writestr(f"{origin}@v1.0.0/cmd/shown/schema.json", '{\n "version": "0"\n}')
    head = 'package main\n\nimport _ "embed"\nimport _ "example.org/origin"\n'
    program = f"{head}\n//go:embed schema-embed.json\nvar schema string\n\nfunc main() {{ println(schema) }}\n"
    (own / "cmd" / "shown").mkdir(parents=True)
    (own / "cmd" / "shown" / "main.go").write_text(program)
    (own / "go.mod").write_text(f"module example.org/own\n\ngo 1.26\n\nrequire {origin} v1.0.0\n")
    monkeypatch.setenv("GOPROXY", (tmp_path / "proxy").as_uri())
    monkeypatch.setenv("GOSUMDB", "off")
    sums = {**os.environ, **toolchain.go_environment(), "GOFLAGS": "-mod=mod -modcacherw", "GOMODCACHE": str(tmp_path / "elsewhere")}
    subprocess.run([go, "mod", "download", "all"], cwd=own, env=sums, check=True)
    compiled = CACHE / "go" / "build"  # of Go's own library; of modules nothing
    compiled.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache" / "go").mkdir(parents=True)
    (tmp_path / "cache" / "go" / "build").symlink_to(compiled)
    monkeypatch.setattr(toolchain, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(toolchain, "TOOLS", tmp_path / "tools")
    build = toolchain.Build(module="embedding", version="7.0.0", packages=("./cmd/shown",), embeds_from=origin)
    monkeypatch.setitem(toolchain.BUILDS, "embedding", build)
    home = toolchain.built("embedding", go, Steps(log=tmp_path / "log"))
    shown = subprocess.run([home / "shown"], capture_output=True, text=True, check=True).stderr
    assert json.loads(shown) == {"version": "7.0.0"}


def test_fetching_ahead_says_nothing_and_stops_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH; `./rag up` brings its own")
    monkeypatch.setattr(toolchain, "CACHE", tmp_path)
    monkeypatch.setenv("GOPROXY", NOBODY)
    with toolchain.fetching(["versitygw"], go, tmp_path / "log"):
        pass
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "go list -deps"], capture_output=True, text=True, check=False).stdout
    assert children == ""
