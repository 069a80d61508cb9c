"""A language host for Python that lets a Pulumi CLI built from source run programs, where Pulumi's own host cannot be had; and its layout.

`install` puts it beside `pulumi`, and Pulumi's own kubernetes plugin into PULUMI_HOME. What runs is a copy, or lies in the cache, so that
it outlives the checkout. Each name is replaced in one step.
"""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab import toolchain
from lab.places import write_whole

SHIMS = ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python")
"""Of Pulumi's Go module: starts a program, and serves the providers written in Python."""
PLUGIN = Path(f"resource-kubernetes-v{toolchain.PLUGIN}") / "pulumi-resource-kubernetes"
"""In the folder of plugins, as `pulumi plugin install` names it."""


def install(homes: Mapping[str, Path], bin_dir: Path, pulumi_home: Path, python: Path) -> None:
    """Put CLI and language host, run by `python`, into `bin_dir`, and the kubernetes plugin in place of any other version of it."""
    toolchain.link(homes["pulumi"] / "pulumi", bin_dir / "pulumi")
    for shim in SHIMS:  # a Go module keeps no file executable
        write_whole(bin_dir / Path(shim).name, (homes["pulumi"] / "python" / shim).read_bytes(), 0o755)
    host = bin_dir / "pulumi-language-python.py"
    write_whole(host, Path(__file__).with_name("language.py").read_bytes(), 0o755)
    # isolated (`-I`): neither PYTHONPATH nor the current folder can change what it imports
    script = f'#!/bin/sh\nexec {shlex.quote(str(python))} -I {shlex.quote(str(host))} "$@"\n'
    write_whole(bin_dir / "pulumi-language-python", script, 0o755)
    plugin = pulumi_home / "plugins" / PLUGIN
    plugin.parent.mkdir(parents=True, exist_ok=True)
    toolchain.link(homes["pulumi-kubernetes"] / plugin.name, plugin)
    for other in plugin.parent.parent.glob("resource-kubernetes-v*"):
        if other.is_dir() and other != plugin.parent:
            shutil.rmtree(other)
        elif other.suffix in {".partial", ".lock"}:
            other.unlink()  # of a download that was killed: the CLI would take the plugin for incomplete
