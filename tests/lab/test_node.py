"""The lab's init starts again what ends, however much ends at once."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from lab.places import REPOSITORY

WATCH = """
import sys
from pathlib import Path
from lab import node
from lab.daemons import Daemon
node.LOGS = node.STATE = Path(sys.argv[1])
node.watch([Daemon(name, ["600"], "sleep", {}) for name in ("kubelet", "containerd", "etcd")])
"""
STARTED = re.compile(r"started (\S+) as (\d+)")


def test_parts_that_end_at_the_same_moment_are_all_started_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCH, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True) as watching:
        end = threading.Timer(60, os.killpg, (watching.pid, signal.SIGKILL))
        end.start()
        try:
            assert watching.stdout is not None
            lines = ((found[1], found[2]) for line in watching.stdout if (found := STARTED.search(line)))
            first = dict(next(lines) for _ in range(3))
            for pid in first.values():
                os.kill(int(pid), signal.SIGKILL)
            again = dict(next(lines, ("none", "0")) for _ in range(3))
        finally:
            end.cancel()
            os.killpg(watching.pid, signal.SIGKILL)
    assert again.keys() == first.keys()
