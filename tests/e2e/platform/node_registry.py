"""A real registry (Distribution) with a password, on the loopback of the lab's node, and images of the lab pushed into it."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from lab import toolchain
from lab.daemons import CONTAINERD_SOCKET
from lab.places import STATE
from lab.process_tree import wait_for
from lab.steps import Steps

HOST = "127.0.0.1:5443"
"""In the node's network: containerd speaks plain HTTP to the loopback alone."""
USER, PASSWORD = "puller", "made-up-password"


def on_the_node(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the network of the lab's node."""
    return subprocess.run([*_enter(), *command], capture_output=True, text=True, check=True, **options)


def _enter() -> list[str]:
    (pid,) = (
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "containerd" and str(STATE / "containerd.toml") in process.info["cmdline"]
    )
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


def docker_config() -> str:
    """Return what a Secret of type kubernetes.io/dockerconfigjson holds."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return json.dumps({"auths": {HOST: {"auth": auth}}})


@contextmanager
def registry(root: Path) -> Iterator[None]:
    """Run the registry on the node."""
    steps = Steps(log=root / "build.log")
    command = str(toolchain.built("registry", toolchain.go_command(steps), steps) / "registry")
    made = subprocess.run([command, "htpasswd", USER], input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
    (root / "htpasswd").write_text(made.stdout)
    configuration = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(root / "store")}},
        "http": {"addr": HOST},
        "auth": {"htpasswd": {"realm": "test", "path": str(root / "htpasswd")}},
    }
    (root / "config.yml").write_text(yaml.safe_dump(configuration))
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with (root / "registry.log").open("w") as log:
        process = subprocess.Popen([*_enter(), command, "serve", str(root / "config.yml")], stdout=log, stderr=log, env=environment)
        try:
            wait_for(_answers, 30, "the registry does not answer", f"see {root / 'registry.log'}")
            yield
        finally:
            process.terminate()
            process.wait()


def _answers() -> bool | None:
    host, _, port = HOST.partition(":")
    program = f"import socket; socket.create_connection(({host!r}, {port}), 1)"
    asked = subprocess.run([*_enter(), sys.executable, "-c", program], capture_output=True, check=False)
    return True if asked.returncode == 0 else None


def push(reference: str, repository: str) -> str:
    """Push an image that the node has, take its new name off the node, and return the reference by digest at the registry."""
    digest = reference.rpartition("@")[2]
    name = f"{HOST}/{repository}:pushed"
    ctr = ["ctr", "-a", CONTAINERD_SOCKET, "-n", "k8s.io", "images"]
    on_the_node(*ctr, "tag", "--force", reference.partition("@")[0], name)
    on_the_node(*ctr, "push", "--plain-http", "--user", f"{USER}:{PASSWORD}", name)
    on_the_node(*ctr, "rm", name)
    return f"{name}@{digest}"
