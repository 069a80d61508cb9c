"""Lays the stand-ins out as the Pulumi CLI looks for them: beside `pulumi`, and in PULUMI_HOME.

Copies rather than links, so that what is installed outlives the checkout. Every file and folder is made complete under another name and
then renamed: a killed run leaves either the old or the new one, and the next run repairs the rest.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from lab.errors import LabError

HERE = Path(__file__).resolve().parent
EXEC_SHIM = "pulumi-language-python-exec"
DYNAMIC_PROVIDER = "pulumi-resource-pulumi-python"
EXECUTABLE_MODE = 0o755
FOLDER_MODE = 0o755


def install(pulumi_home: Path, bin_dir: Path, python: Path, exec_shim_dir: Path) -> None:
    """Install language host and kubernetes plugin, both run by `python`, whose environment has `pulumi` and `pulumi-kubernetes`.

    `bin_dir` is where the real `pulumi` binary lies; `exec_shim_dir` the `python` folder of the Go module `pulumi/sdk/v3`.
    """
    pulumi_home, bin_dir, python = pulumi_home.absolute(), bin_dir.absolute(), python.absolute()
    for source in (exec_shim_dir / "cmd" / EXEC_SHIM, exec_shim_dir / "dist" / DYNAMIC_PROVIDER):
        if not source.is_file():
            raise LabError(
                f"{source} is missing, so no Python program can start", "go clean -modcache, then make up: it fetches the module again"
            )
    bin_dir.mkdir(parents=True, exist_ok=True)
    _write(bin_dir / EXEC_SHIM, (exec_shim_dir / "cmd" / EXEC_SHIM).read_bytes())
    _write(bin_dir / DYNAMIC_PROVIDER, (exec_shim_dir / "dist" / DYNAMIC_PROVIDER).read_bytes())
    host = bin_dir / "pulumi-language-python.py"
    _write(host, (HERE / "language.py").read_bytes())
    _write(bin_dir / "pulumi-language-python", _launcher(python, host))
    _install_plugin(pulumi_home / "plugins", python)


def _install_plugin(plugins: Path, python: Path) -> None:
    """What `pulumi plugin install resource kubernetes VERSION --file` leaves behind: one folder with one executable."""
    target = plugins / f"resource-kubernetes-v{metadata.version('pulumi-kubernetes')}"

    def fill(folder: Path) -> None:
        shutil.copytree(HERE / "kubernetes", folder / "kubernetes", ignore=shutil.ignore_patterns("__pycache__"))
        _write(folder / "pulumi-resource-kubernetes", _launcher(python, target / "kubernetes"))

    plugins.mkdir(parents=True, exist_ok=True)
    _replace_folder(target, fill)
    for leftover in (plugins / f"{target.name}.partial", plugins / f"{target.name}.lock"):
        leftover.unlink(missing_ok=True)  # of a download that was killed: the CLI would take the plugin for incomplete


def _launcher(python: Path, program: Path) -> bytes:
    """Script that runs a program isolated (`-I`): neither PYTHONPATH nor the current folder can change what it imports."""
    return f'#!/bin/sh\nexec {shlex.quote(str(python))} -I {shlex.quote(str(program))} "$@"\n'.encode()


def _write(path: Path, content: bytes) -> None:
    """Write an executable file at once."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(EXECUTABLE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _replace_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder at once, in place of an old one."""
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        fill(fresh)
        fresh.chmod(FOLDER_MODE)
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old.")) / "it"
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
