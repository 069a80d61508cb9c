"""The lab's own init: runs inside its mount, network and process namespaces, and starts and watches every part.

It owns a private /run, /var/lib and /var/log, so nothing a part writes there reaches the host. A part that ends is started again.
When this process ends, the kernel ends all others and takes back mounts, interfaces, routes and rules.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from lab import daemons, logs
from lab.daemons import Daemon
from lab.places import CGROUP, LOGS, STATE, Network, network

RESTART_AFTER_S: Final = 1.0


def mount_private() -> None:
    """Give the parts a /run, /var/lib and /var/log of their own; only the lab's state is the host's."""
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "tmpfs", "/run")
    held = Path("/run/lab-state")
    held.mkdir()
    _mount("--rbind", STATE, held)
    _mount("-t", "tmpfs", "tmpfs", "/var/lib")
    STATE.mkdir(parents=True)
    _mount("--rbind", held, STATE)
    _mount("--bind", LOGS, "/var/log")


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def configure_network(net: Network) -> None:
    """Take the node's address on the link that the host hands in, and forward between pods."""
    _ip("link", "set", "lo", "up")
    for _ in range(100):
        # not /sys/class/net: that still shows the host's interfaces
        if subprocess.run(["ip", "link", "show", "eth0"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    _ip("address", "add", f"{net.node}/{net.link.prefixlen}", "dev", "eth0")
    _ip("link", "set", "eth0", "up")
    _ip("route", "add", "default", "via", str(net.host))
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def write_configuration(net: Network) -> None:
    """Write the files that the parts read, and make the folders that they expect."""
    for folder in ("store/iam", "store/versions", "store/buckets", "cni", "volumes", "etcd"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    (STATE / "etcd").chmod(0o700)
    (STATE / "volumes").chmod(0o755)
    cgroup_v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    for name, text in daemons.files(net, cgroup_v1=cgroup_v1).items():
        (STATE / name).write_text(text)
    make_cgroups(Path("/sys/fs/cgroup"), cgroup_v1=cgroup_v1)


def make_cgroups(root: Path, *, cgroup_v1: bool) -> None:
    """Make the folder that kubelet's cgroups go into, in every hierarchy; it must have every controller that the machine has.

    In the one hierarchy of cgroup v2 a folder has those that its parent hands down, and kubelet does not start where one is missing.
    """
    if not cgroup_v1:
        for controller in (root / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):  # not every one can be handed down, and kubelet needs not every one
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
    for controllers in root.iterdir() if cgroup_v1 else [root]:
        if controllers.is_dir() and not controllers.is_symlink():
            (controllers / CGROUP).mkdir(exist_ok=True)


class Supervisor:
    """Starts daemons, and starts those again that end."""

    def __init__(self) -> None:
        self.running: dict[int, Daemon] = {}

    def start(self, daemon: Daemon) -> None:
        """Start `daemon`, with what it prints in logs/<name>.log."""
        with (LOGS / f"{daemon.name}.log").open("ab") as log:
            process = subprocess.Popen(
                daemon.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=STATE, env={**os.environ, **daemon.environment}
            )
        self.running[process.pid] = daemon
        _say(f"started {daemon.name} as {process.pid}")

    def watch(self) -> None:
        """Wait for ends, for ever; a daemon that ended is started again after a second."""
        while True:
            pid, status = os.wait()
            daemon = self.running.pop(pid, None)
            if daemon is None:
                continue
            _say(f"{daemon.name} ended with {os.waitstatus_to_exitcode(status)}: starting it again; see logs/{daemon.name}.log")
            time.sleep(RESTART_AFTER_S)
            self.start(daemon)


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def main() -> None:
    """Bring up the node, then watch."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    net = network()
    mount_private()
    configure_network(net)
    write_configuration(net)
    threading.Thread(target=logs.keep_small, args=(LOGS,), daemon=True).start()
    supervisor = Supervisor()
    for daemon in daemons.all_parts(net):
        supervisor.start(daemon)
    supervisor.watch()


if __name__ == "__main__":
    main()
