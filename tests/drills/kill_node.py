"""The node of the lab dies: SIGKILL to kubelet, containerd and every process of every pod. The lab starts its parts again after a second.

For a drill: `./rag drill kill-node lab -- python -m tests.drills.kill_node`. It ends once both run again; pods take longer.
On any other cluster the command is whatever ends a machine there.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

import psutil

from lab import process_tree
from lab.places import CGROUP

_PARTS = ("kubelet", "containerd")
_LONGEST_S = 60


def parts(pid: int) -> dict[int, psutil.Process]:
    """Return kubelet and containerd of the lab whose outer process this is."""
    return {each.pid: each for each in process_tree.descendants(pid) if each.name() in _PARTS}


def pods(root: Path = Path("/sys/fs/cgroup")) -> set[int]:
    """Return every process below the lab's folders of cgroups."""
    files = [file for pattern in (f"{CGROUP}/**/cgroup.procs", f"*/{CGROUP}/**/cgroup.procs") for file in root.glob(pattern)]
    return {int(pid) for file in files for pid in file.read_text().split()}


def main() -> int:
    """Kill, and wait until the parts run again."""
    outer = process_tree.running()
    if outer is None:
        print("error: no lab runs on this machine; nothing was killed", file=sys.stderr)
        return 2
    before = parts(outer["pid"])
    victims = [*before, *pods()]
    for pid in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(signal.SIGKILL)
    print(f"killed {len(before)} parts of the node and {len(victims) - len(before)} processes of pods", flush=True)
    deadline = time.monotonic() + _LONGEST_S
    while len(parts(outer["pid"]).keys() - before.keys()) < len(_PARTS):
        if time.monotonic() > deadline:
            print(f"error: kubelet and containerd did not run again within {_LONGEST_S} s", file=sys.stderr)
            return 1
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
