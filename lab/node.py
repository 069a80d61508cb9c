"""The lab's own init, in namespaces of its own: starts every part, and again what ends. With it the kernel ends and takes back all else."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from lab import daemons, logs
from lab.daemons import Daemon
from lab.places import CGROUP, LOGS, STATE, Network, network


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True)


def enter(net: Network) -> None:
    """Give the parts a /run, /var/lib and /var/log of their own, only the lab's state is the host's; and the node its end of the link."""
    state = Path("/run/lab-state")
    _run("mount --make-rprivate /", "mount -t tmpfs tmpfs /run")
    state.mkdir()
    _run(f"mount --rbind {STATE} {state}", "mount -t tmpfs tmpfs /var/lib")
    STATE.mkdir(parents=True)
    _run(f"mount --rbind {state} {STATE}", f"mount --bind {LOGS} /var/log", "ip link set lo up")
    for _ in range(100):  # not /sys/class/net: that still shows the host's interfaces
        if subprocess.run(["ip", "link", "show", "eth0"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    _run(f"ip address add {net.node}/{net.link.prefixlen} dev eth0", "ip link set eth0 up", f"ip route add default via {net.host}")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


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


def start(daemon: Daemon) -> tuple[int, tuple[Daemon, "subprocess.Popen[bytes]"]]:
    """Start `daemon`, with what it prints in logs/<name>.log; return its process id, and what of it is to be held."""
    environment = {**os.environ, **daemon.environment}
    with (LOGS / f"{daemon.name}.log").open("ab") as log:
        process = subprocess.Popen(daemon.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=STATE, env=environment)
    _log(f"started {daemon.name} as {process.pid}")
    return process.pid, (daemon, process)


def watch(parts: Iterable[Daemon]) -> None:
    """Start all of them and wait for ends, for ever; a daemon that ended is started again after a second.

    The Popen of each is held until its end was seen: making another one waits for those that nobody holds, and their ends would be lost.
    """
    running = dict(map(start, parts))
    while True:
        pid, status = os.wait()
        if pid in running:
            daemon, _ = running.pop(pid)
            _log(f"{daemon.name} ended with {os.waitstatus_to_exitcode(status)}: starting it again; see logs/{daemon.name}.log")
            time.sleep(1)
            running |= [start(daemon)]


def _log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def main() -> None:
    """Bring up the node, then watch."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    net = network()
    enter(net)
    write_configuration(net)
    threading.Thread(target=logs.keep_small, args=(LOGS,), daemon=True).start()
    watch(daemons.all_parts(net))


if __name__ == "__main__":
    main()
