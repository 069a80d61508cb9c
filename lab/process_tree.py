"""The lab as one process tree in namespaces of its own: start, find, end. Cgroup folders and state on disk outlive it, and go here too."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

import psutil

from lab.errors import LabError
from lab.places import CGROUP, CODE, HOST_INTERFACE, LOGS, RANGES, REPOSITORY, STATE, Network, read_json, write_whole
from lab.processes import identity, is_alive, start_time, words
from lab.steps import tail

T = TypeVar("T")
_ON_A_LINE = ("sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh")
REMOVING = STATE.with_name(f"{STATE.name}.removing")
OUTER = STATE / "outer.json"
"""Identity of the outer process, the checkout that brought it up last, and the tools that it runs."""
NODE_CODE = (
    *(Path("lab", name) for name in ("__init__.py", "daemons.py", "errors.py", "logs.py", "node.py", "node.yaml", "places.py")),
    Path("tests", "emulators", "greenlake"),
)
"""What the node runs, and all that this imports of ours: `python -m lab.node` and the emulator of the GreenLake API."""


def code_name() -> str:
    """Return what tells this node's code from other code: a tree that runs with other code is started anew."""
    digest = hashlib.sha256()
    for path in _code():
        digest.update(path.relative_to(REPOSITORY).as_posix().encode() + path.read_bytes())
    return f"node-{digest.hexdigest()[:12]}"


def install_code(target: Path = CODE) -> None:
    """Copy the node's code into the state: a lab outlives the checkout that started it. Killed in the middle, it is copied again."""
    shutil.rmtree(target, ignore_errors=True)
    for path in _code():
        copy = target / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _code() -> list[Path]:
    parts = [REPOSITORY / part for part in NODE_CODE]
    files = [file for part in parts for file in (sorted(part.rglob("*")) if part.is_dir() else [part])]
    return [file for file in files if file.is_file() and "__pycache__" not in file.parts]


def recorded() -> dict[str, Any] | None:
    """Return what is known of the lab that was started last and never taken down, whether it still runs or not; None for none."""
    return read_json(OUTER)


def running() -> dict[str, Any] | None:
    """Return what is known of the running lab, or None; an id that another program got since, or after a restart, is none."""
    outer = recorded()
    return outer if outer is not None and is_alive(outer) else None


def check_addresses(net: Network) -> None:
    """Raise LabError where an address range or the interface's name belongs to somebody else."""
    for route in _routes("table", "all", check=True):
        if route["dst"] == "default" or route.get("dev") == HOST_INTERFACE:
            continue
        taken = IPv4Network(route["dst"])
        for variable, lab_range in zip(RANGES, (net.link, net.services, net.pods), strict=True):
            if lab_range.overlaps(taken):
                cure = f"choose another range: {variable}=10.99.0.0/{lab_range.prefixlen} ./rag up"
                raise LabError(f"{lab_range}, which the lab would take, overlaps {taken} on {route.get('dev')}", cure)
    if not _interface_gone():
        raise LabError(f"an interface {HOST_INTERFACE} is there, but no lab runs", f"ip link delete {HOST_INTERFACE}")


def _routes(*which: str, check: bool) -> list[dict[str, Any]]:
    """Return what `ip` says; without `check`, none where it fails."""
    shown = subprocess.run(["ip", "-j", "-4", "route", "show", *which], capture_output=True, check=check)
    routes: list[dict[str, Any]] = json.loads(shown.stdout or "[]") if shown.returncode == 0 else []
    return routes


def start(net: Network, tools: Sequence[str]) -> None:
    """Start the process tree and wire it to the host, or end it again; LabError with the end of its log."""
    _require_bridge_filter()
    LOGS.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)  # what is in the store is no other user's of this machine
    install_code()
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "tini", "-s", "--"]
    # it waits for a line, which comes once it is written down: no tree ever runs that nobody knows of
    held, go = os.pipe()
    with (LOGS / "node.log").open("ab") as log:
        started = [*_ON_A_LINE, *command, sys.executable, "-m", "lab.node"]
        outer = subprocess.Popen(started, stdin=held, stdout=log, stderr=log, start_new_session=True, cwd=CODE)
    os.close(held)
    try:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record({**identity(outer.pid), "since": since, "tools": list(tools)})
        os.write(go, b"\n")
    finally:
        os.close(go)
    try:
        _wire(net, outer.pid)
    except BaseException:
        outer.kill()
        raise


def _require_bridge_filter() -> None:
    """Load the kernel module without which a pod's answer to a Service on its own bridge is lost; LabError without it."""
    if Path("/proc/sys/net/bridge").exists():
        return
    loaded = subprocess.run(["modprobe", "br_netfilter"], capture_output=True, text=True, check=False)
    if loaded.returncode:
        problem = f"the kernel module br_netfilter is missing: {loaded.stderr.strip()}"
        raise LabError(problem, "use a kernel that has it, such as Debian 12's own")


def _wire(net: Network, outer: int) -> None:
    try:
        first = wait_for(lambda: descendants(outer, all_of_them=False), 10, "the lab's process tree did not start", "./rag down; ./rag up")
    except LabError as error:
        raise LabError(f"{error.problem}:\n{tail(LOGS / 'node.log')}", error.cure) from None
    for command in (
        f"link add {HOST_INTERFACE} type veth peer name eth0 netns {first[0].pid}",
        f"address add {net.host}/{net.link.prefixlen} dev {HOST_INTERFACE}",
        f"link set {HOST_INTERFACE} up",
        *(f"route add {behind} via {net.node}" for behind in (net.services, net.pods)),
    ):
        ended = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
        if ended.returncode:
            raise LabError(f"ip {command}: {ended.stderr.strip()}", "./rag down; ./rag up")


def descendants(pid: int, *, all_of_them: bool = True) -> list[psutil.Process]:
    """Return the processes below `pid`, or its children alone; none where it is gone."""
    try:
        return psutil.Process(pid).children(recursive=all_of_them)
    except psutil.NoSuchProcess:
        return []


def record(outer: Mapping[str, Any]) -> None:
    """Write down the tree, and which checkout brings it up."""
    write_whole(OUTER, json.dumps({**outer, "checkout": str(REPOSITORY)}))


def is_wired(net: Network) -> bool:
    """Return whether the host's routes lead into the tree: a `./rag up` that was killed early, or an administrator, may have left none."""
    return {str(net.services), str(net.pods)} <= {route["dst"] for route in _routes("dev", HOST_INTERFACE, check=False)}


def wait_for(check: Callable[[], T | None], timeout_s: float, problem: str, cure: str) -> T:
    """Return what `check` returns as soon as it is true; raise LabError after `timeout_s` seconds."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise LabError(f"{problem} within {timeout_s:.0f} s", cure)


def stop() -> None:
    """End the process tree, and wait until it is gone; the state stays."""
    outer = running()
    if outer is not None:
        os.kill(outer["pid"], signal.SIGKILL)
        wait_for(lambda: not start_time(outer["pid"]), 30, f"process {outer['pid']} did not end", f"kill -9 {outer['pid']}")
    if not OUTER.exists():
        return
    # the kernel takes its time to end a network namespace; the link of a lab that has ended can go at once
    subprocess.run(["ip", "link", "delete", HOST_INTERFACE], capture_output=True, check=False)
    wait_for(_interface_gone, 30, f"interface {HOST_INTERFACE} is still there", f"ip link delete {HOST_INTERFACE}")
    wait_for(_remove_cgroups, 30, f"cgroups {CGROUP} are still in use", f"cat /sys/fs/cgroup/*/{CGROUP}/cgroup.procs names the processes")
    OUTER.unlink(missing_ok=True)


def end_strays(folder: Path, *, without: str = "", within: str = "") -> None:
    """End what runs from `folder` outside of the tree: plugins of a Pulumi that was killed, and their children.

    `without` is the name of a parent: what such a process started is left alone. `within` is a variable that they must have, as NAME=VALUE.
    """
    strays = [process for process in psutil.process_iter() if _is_stray(process, folder, without, within)]
    children = [child for stray in strays for child in descendants(stray.pid, all_of_them=False)]
    for process in (*strays, *children):  # a parent first, so that it cannot act on the end of its child
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _is_stray(process: psutil.Process, folder: Path, without: str, within: str) -> bool:
    """Return whether a command is a program of `folder`, or a script of it under its interpreter; naming a file is not running it."""
    command = words(process.pid)
    interpreted = command[1:4] if command and Path(command[0]).name.startswith(("sh", "python")) else []
    if not any(word.startswith(f"{folder}/") for word in [*command[:1], *interpreted]):
        return False
    name = ""  # where the parent has ended, too
    with contextlib.suppress(psutil.Error):
        parent = process.parent()
        name = parent.name() if parent is not None else ""
    return (not within or within in words(process.pid, "environ")) and not (without and name == without)


def _interface_gone() -> bool:
    return not Path(f"/sys/class/net/{HOST_INTERFACE}").exists()


def _remove_cgroups() -> bool:
    """Remove the lab's empty cgroup folders; return whether all are gone."""
    for top in [*Path("/sys/fs/cgroup").glob(CGROUP), *Path("/sys/fs/cgroup").glob(f"*/{CGROUP}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:  # a process in it is still ending
                return False
    return True


def remove_state() -> None:
    """Remove all that the lab keeps on disk but the cache; renamed first, so that it is there as a whole or not at all."""
    remove_leftovers()
    if STATE.exists():
        STATE.rename(REMOVING)
    remove_leftovers()


def remove_leftovers() -> None:
    """Remove what an interrupted `./rag down` did not get to."""
    if REMOVING.exists():
        shutil.rmtree(REMOVING)
