"""Rotate Milvus's key while the rotation is killed again and again, and look what is left over: the drill of "a killed run is completed".

Starts `rotate` and kills it, Pulumi and everything else that it started included, the first time it reaches each of the points below; then
starts it again, until it ends by itself. Afterwards the store is asked which users and keys it has: one that the state does not know is
left over. Not for an environment that somebody uses: a kill between two steps costs nothing, one in the middle of Helm's may.

Exit codes: 0 completed and nothing left over, 1 something is left over, or the store gives no list of its users, 2 wrong usage or
settings; otherwise the code with which the last rotation ended.

For example:

    python -m tests.drills.rotation_kills lab
"""

import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psutil

from stacks import environments
from stacks.operations import pulumi_cli
from tests.drills import store_users

_POINTS = {
    "before anything was done": r"^rotate .*  from generation",
    "before the first pulumi up": r"^rotate .*  pulumi up, to switch",
    "while the new user was made": r"milvus-store-credential-\d+ creating",
    "after the new user was made": r"milvus-store-credential-\d+ created",
    "while the Secret was switched": r"milvus-store-secret .*(deleting|deleted|replacing|creating)",
    "after the new key was seen in use": r"^rotate .*  the new key opens",
    "before the second pulumi up": r"^rotate .*  pulumi up, to remove",
    "while the old user was removed": r"milvus-store-credential\S* delet",
}
_MOST_RUNS = 2 * len(_POINTS)


def main(environment: str) -> int:
    """Drill one environment."""
    left = dict(_POINTS)
    for _ in range(_MOST_RUNS):
        killed, code = _rotation(environment, left)
        if not killed:
            break
        _tell(f"killed {killed}")
        del left[killed]
    if code:
        return _stop(code, f"the rotation ended with {code}; the lines above say why")
    _tell(f"completed after {len(_POINTS) - len(left)} kills; not reached: {', '.join(left) or 'none'}")
    over = store_users.left_over(environments.load(environment).settings, _known(environment))
    if over is None:
        return _stop(1, "the store of this driver gives no list of its users here: look by hand")
    if over:
        return _stop(1, f"left over in the store: {', '.join(over)}")
    _tell("the store has the users and keys of the state and no other")
    return 0


def _rotation(environment: str, points: dict[str, str]) -> tuple[str, int]:
    """Start one; return the point at which it was killed, "" where it ended by itself, and its exit code."""
    command = [sys.executable, "-m", "stacks", "rotate", environment, "--yes"]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **streams) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            reached = next((name for name, pattern in points.items() if re.search(pattern, line)), "")
            if reached:
                _kill(process.pid)
                process.communicate()
                return reached, 0
        return "", process.wait()


def _kill(pid: int) -> None:
    """End it with everything that it started, at once: Pulumi's plugins have process groups of their own."""
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _known(environment: str) -> dict[str, str]:
    """Access key of each user in the state, of both buckets."""
    resources = pulumi_cli.resources(environment, secrets=True)
    return {
        str(one["id"]): pulumi_cli.plain(one["outputs"].get("access_key"))
        for one in resources
        if re.search(r"::(milvus|documents)-store-credential(-\d+)?$", one["urn"])
    }


def _tell(text: str) -> None:
    print(f"drill  {text}", flush=True)


def _stop(code: int, why: str) -> int:
    _tell(f"stopped: {why} (exit {code})")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
