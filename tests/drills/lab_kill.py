"""The kill drill: `./rag up` is killed with SIGKILL at many moments, and run again each time it must end in PASS.

It takes the lab of this machine down again and again: what is in it is lost. It ends no process but those that it started. What was seen is
kept after every moment in build/drills/kill.json, so that a drill that is ended goes on where it was.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lab import bootstrap, cache, lock, process_tree
from lab.errors import LabError
from lab.places import CACHE, REPOSITORY
from lab.processes import is_alive

HOME = REPOSITORY / "build" / "drills"
KEPT = HOME / "kill.json"
MOMENT_TIMEOUT_S = 1200
_POLL_S = 0.02
_SHOWN = 3
"""Problems of `./rag status` in the table; all are in the JSON."""
_PYTHON = f"{sys.base_prefix}/bin/python3"
"""Not the virtual environment's: that is one of the things to be made."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment: a step that was entered and some seconds later, or a line that was said."""

    name: str
    what: str
    """What is under way then."""
    step: str = ""
    """How the title of the step begins; "" where `says` decides."""
    after_s: float = 0.0
    says: str = ""
    """Regular expression for the command's output."""
    down: bool = False
    """Whether the lab is taken down first, so that the step has everything to do."""
    forget: str = ""
    """Folder and beginning of a name in the cache that is forgotten first: it is built anew."""
    everything: bool = False
    """Whether whatever the command started is killed with it: Pulumi, its plugins, Helm, the compiler; else they end as they do."""

    def is_said(self, text: str) -> bool:
        """Return whether the line of this moment is in the output."""
        return bool(self.says) and re.search(self.says, text) is not None


MOMENTS = (
    Moment(name="packages", what="Python packages are installed", step="Python packages", after_s=4, forget="venv"),
    Moment(name="tool-kubernetes", what="Kubernetes is compiled", step="tools: kubernetes", after_s=5, forget="tools/kubernetes-"),
    Moment(
        name="tool-versitygw",
        what="the S3 server is compiled",
        step="tools: versitygw",
        after_s=2,
        forget="tools/versitygw-",
        everything=True,
    ),
    Moment(name="tool-pulumi", what="the Pulumi CLI is compiled", step="tools: pulumi 3", after_s=5, forget="tools/pulumi-3"),
    Moment(
        name="tool-plugin",
        what="Pulumi's kubernetes plugin is linked while images are imported",
        step="tools: pulumi-kubernetes",
        after_s=5,
        forget="tools/pulumi-kubernetes-",
        everything=True,
    ),
    Moment(name="image-milvus", what="the image of Milvus is unpacked", step="image: milvus", after_s=2, forget="images/milvus-"),
    Moment(name="image-models", what="the model is unpacked", step="image: models", after_s=6, forget="images/models-", everything=True),
    Moment(name="image-suite", what="the suite's image is filled", step="image: suite", after_s=5, forget="images/suite-"),
    Moment(name="certificates", what="keys and certificates are made", step="lab: certificates", down=True),
    Moment(name="tree-start", what="the process tree starts", step="lab: process tree", down=True),
    Moment(name="tree-unwired", what="it runs, and no route leads to it yet", step="lab: process tree", after_s=0.1, down=True),
    Moment(name="api", what="API server and object store come up", step="lab: Kubernetes API", after_s=1, down=True),
    Moment(name="image-import", what="the first image is imported", step="lab: images", after_s=1, down=True, everything=True),
    Moment(name="image-import-late", what="a large image is imported", step="lab: images", after_s=5, down=True),
    Moment(name="node", what="the node registers", step="lab: node", after_s=0.3, down=True),
    Moment(name="stack-init", what="the stack is made and selected", step="stack", after_s=1, down=True, everything=True),
    Moment(name="namespace", what="Pulumi makes its first objects", says="Namespace tenancy-namespace creat", down=True),
    Moment(name="bucket", what="Pulumi makes buckets and keys", says="Bucket milvus-store-bucket creat", down=True, everything=True),
    Moment(name="release", what="Helm installs Milvus", says="Release milvus-release creat", down=True, everything=True),
    Moment(name="models", what="model services start", says="Deployment llm-server-deployment creat", down=True),
    Moment(name="gate", what="the gate searches", says=r"search [1-9]\d+/", everything=True),
)


def chosen(kills: int, names: list[str], first: str) -> list[Moment]:
    """Return the moments to try: those that are named, else `kills` spread evenly over those from `first` on."""
    if names:
        return [moment for moment in MOMENTS if moment.name in names]
    behind = list(MOMENTS[next((at for at, moment in enumerate(MOMENTS) if moment.name == first), 0) :])
    if kills >= len(behind):
        return behind
    return [behind[round(at * (len(behind) - 1) / max(1, kills - 1))] for at in range(kills)]


def drill(kills: int, names: Sequence[str], first: str, *, again: bool, gate: bool) -> int:
    """Try the moments that have not passed yet; 0 where each one chosen has, 1 where one has not."""
    _check_names([*names, *([first] if first else [])])
    moments = chosen(kills, list(names), first)
    seen = read()
    for moment in moments:
        if not again and seen.get(moment.name, {}).get("passed"):
            print(f"{moment.name}: passed before (--again tries it again)", flush=True)
            continue
        seen[moment.name] = _try(moment, gate=gate)
        _keep(seen)
    print(table(), flush=True)
    return 0 if all(seen[moment.name]["passed"] for moment in moments) else 1


def _check_names(names: Sequence[str]) -> None:
    known = [moment.name for moment in MOMENTS]
    for name in names:
        if name not in known:
            raise LabError(f"there is no moment {name}", f"one of: {', '.join(known)}")


def read() -> dict[str, Any]:
    """Return what was seen so far, by moment."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def _keep(seen: dict[str, Any]) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    fresh = KEPT.with_suffix(".new")
    fresh.write_text(json.dumps(seen, indent=2) + "\n")
    fresh.replace(KEPT)


def _try(moment: Moment, *, gate: bool) -> dict[str, Any]:
    """Bring about one moment, kill, look, and run `./rag up` again."""
    print(f"{moment.name}: {moment.what}", flush=True)
    if moment.forget:
        _forget(moment.forget)
    if moment.down:
        _run("down", "down")
    killed_after_s = _kill_at(moment)
    # `./rag status` makes the virtual environment itself, which would be no test of `./rag up`
    status = "" if moment.forget == "venv" else _run("status", f"{moment.name}-status")[1]
    began = time.monotonic()
    code, said = _run("up", f"{moment.name}-again", *(() if gate else ("--no-gate",)))
    again_s = round(time.monotonic() - began, 1)
    verdict, why = _verdict(code, said, gate=gate)
    found = {
        "what": moment.what,
        "killed_after_s": killed_after_s,
        "everything": moment.everything,
        "status": re.findall(r"^wrong: (.*)$", status, re.MULTILINE),
        "notes": [line.strip() for line in said.splitlines() if line.startswith("  note ")],
        "again_s": again_s,
        "exit": code,
        "verdict": verdict,
        "why": why,
        "passed": gate and killed_after_s is not None and _is_good(verdict, said),
    }
    print(f"  killed after {killed_after_s} s; again {again_s} s: {verdict} {why}", flush=True)
    return found


def _verdict(code: int, said: str, *, gate: bool) -> tuple[str, str]:
    """Return the gate's word and reason; without a gate, whether the lab came up and `./rag status` finds nothing wrong."""
    result = re.search(r"^RESULT: (\w+) (?!.*report: build/preflight/)(.*)$", said, re.MULTILINE)  # the gate's, not the preflight's
    if result:
        return result[1], "" if result[1] == "PASS" else result[2]
    if gate or code:
        return "none", said[-500:]
    well, seen = _run("status", "status")
    return ("well, gate not run", "") if well == 0 else ("not well", seen[-500:])


def _is_good(verdict: str, said: str) -> bool:
    """PASS; or INVALID for nothing but the gate's own delay, which is this machine's business and is shown as what it is."""
    faults = re.findall(r"^not valid: (.*)$", said, re.MULTILINE)
    return verdict == "PASS" or (
        verdict == "INVALID" and bool(faults) and all(re.search(r"the gate's own (sending )?delay", fault) for fault in faults)
    )


def _forget(what: str) -> None:
    if what == "venv":
        (bootstrap.venv_home() / bootstrap.COMPLETE).unlink(missing_ok=True)
        return
    for path in json.loads(cache.USED.read_text()) if cache.USED.exists() else []:
        if path.startswith(str(CACHE / what)):
            cache.forget(Path(path))
            cache.forget(Path(path).with_suffix(".reference"))


def _run(command: str, title: str, *options: str) -> tuple[int, str]:
    """Run a command of the lab to its end and return its exit code and what it said."""
    ended = subprocess.run(
        [_PYTHON, "-m", "lab", command, *options],
        env=_environment(),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    _log(title).write_text(ended.stdout + ended.stderr)
    return ended.returncode, ended.stdout + ended.stderr


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"LAB_STARTED", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"}}


def _log(title: str) -> Path:
    HOME.mkdir(parents=True, exist_ok=True)
    return HOME / f"{title}.log"


def _kill_at(moment: Moment) -> float | None:
    """Run `./rag up` until that moment and kill it; return after how many seconds, None where it ended before."""
    log, began = _log(moment.name), time.monotonic()
    with (
        log.open("w") as printed,
        subprocess.Popen(
            ["make", "up", f"PYTHON={_PYTHON}"],
            cwd=REPOSITORY,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            reached = _wait_for(lambda: _is_there(moment, log, process.pid), process)
            took = round(time.monotonic() - began, 1)
        finally:
            _kill(process.pid, everything=moment.everything)
    return took if reached and process.returncode == -signal.SIGKILL else None


def _wait_for(check: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + MOMENT_TIMEOUT_S
    while process.poll() is None and time.monotonic() < end:
        if check():
            return True
        time.sleep(_POLL_S)
    return False


def _is_there(moment: Moment, log: Path, leader: int) -> bool:
    if moment.says:
        return moment.is_said(log.read_text(errors="replace"))
    at = lock.unfinished()
    if at is None or not is_alive(at) or os.getsid(at["pid"]) != leader:
        return False
    if not any(step.startswith(moment.step) for step in at["steps"]):
        return False
    time.sleep(moment.after_s)
    return True


def _kill(leader: int, *, everything: bool) -> None:
    """Kill the command's process group, and with `everything` whatever else it started but the lab itself."""
    others = _started_by(leader) if everything else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for process in others:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _started_by(leader: int) -> list[psutil.Process]:
    """Return the processes below `leader`, without the lab's own tree: that is what is kept or not, by what was written down."""
    outer = process_tree.running()
    try:
        below = psutil.Process(leader).children(recursive=True)
        tree = [psutil.Process(outer["pid"])] if outer else []
        ours = {process.pid for root in tree for process in [root, *root.children(recursive=True)]}
    except psutil.NoSuchProcess:
        return []
    return [process for process in below if process.pid not in ours]


def table() -> str:
    """Return what was seen as a table for docs/, in the order of the moments."""
    rows = ["| moment | killed while | after | `./rag status` said | `./rag up` again | verdict |", "|---|---|---|---|---|---|"]
    seen = read()
    for moment in MOMENTS:
        one = seen.get(moment.name)
        if one is None:
            rows.append(f"| {moment.name} | {moment.what} | | | | not tried |")
            continue
        after = f"{one['killed_after_s']:g} s" if one["killed_after_s"] is not None else "never came"
        said = "; ".join(re.sub(r"\(.*?\)", "", text).strip() for text in one["status"][:_SHOWN]) or "all is well"
        rows.append(f"| {moment.name} | {one['what']} | {after} | {said} | {one['again_s']:g} s | {one['verdict']} |")
    return "\n".join(rows)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make drill-kill", description="Kill `./rag up` at many moments; after each one it must pass.")
    parser.add_argument("--kills", type=int, default=21, metavar="N", help="how many moments, spread over all steps (default: %(default)s)")
    parser.add_argument("--from", dest="first", default="", metavar="MOMENT", help="begin with this one")
    parser.add_argument("--only", action="append", default=[], metavar="MOMENT", help="this one alone; may be given again")
    parser.add_argument("--again", action="store_true", help="also those that passed before (build/drills/kill.json)")
    parser.add_argument("--no-gate", action="store_true", help="up and well is enough; such a moment has not passed, and is tried again")
    parser.add_argument("--table", action="store_true", help="try nothing: print what was seen so far, as a table")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return 0
    try:
        bootstrap.check_machine()
        return drill(arguments.kills, arguments.only, arguments.first, again=arguments.again, gate=not arguments.no_gate)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
