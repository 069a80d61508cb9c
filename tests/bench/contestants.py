"""The processes of `make bench`: four clients on one core, and the front on another; all end with the block that started them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from lab.places import CACHE, REPOSITORY, UV

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
Task = dict[str, Any]


def other_python() -> str:
    """Return VectorDBBench's own Python, made first where the cache has none: one for each lock file and Python."""
    home = CACHE / "bench" / hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        print(f"bench: VectorDBBench into {home}, about 1 GB, once", flush=True)
        subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, home], check=True)
        subprocess.run([UV, "pip", "sync", "-q", "--python", python, "--require-hashes", LOCK], check=True)
        (home / "complete").touch()
    return str(python)


class Contestant:
    """One process that takes tasks and gives results, a line of JSON each."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, **task: Any) -> None:
        """Give it a task."""
        _pipe(self._process.stdin).write(json.dumps(task) + "\n")
        _pipe(self._process.stdin).flush()

    def result(self) -> Task:
        """Wait for what came of it; it ends by itself, since every task is bounded in time."""
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self._process.args))} ended; why is above")  # type: ignore[arg-type]  # a list, here
        found: Task = json.loads(line)
        return found

    def do(self, **task: Any) -> Task:
        """Give it a task and wait."""
        self.start(**task)
        return self.result()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("the process was started without pipes")
    return pipe


def cores() -> tuple[int, int]:
    """Return the core of the clients and that of the front."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextmanager
def running(*command: str) -> Iterator[Contestant]:
    """Run a process of the repository for the block."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"LOG_LEVEL": "ERROR", "LOG_FILE": f"{folder}/log", "GRPC_VERBOSITY": "NONE", "PYTHONPATH": str(REPOSITORY)}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the benchmark, which ends this one and all that it started
        )
        with process:
            try:
                yield Contestant(process)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


def ours(kind: str, collection: str) -> tuple[str, ...]:
    """Return the command of a contestant of `client.py`."""
    return sys.executable, "-m", "tests.bench.client", kind, str(cores()[0]), collection


def vectordbbench(collection: str) -> tuple[str, ...]:
    """Return the command of VectorDBBench."""
    return other_python(), str(HERE / "vectordbbench.py"), str(cores()[0]), collection


def front(address: str) -> tuple[str, ...]:
    """Return the command of the front."""
    return "taskset", "--cpu-list", str(cores()[1]), sys.executable, "-m", "tests.bench.front", address
