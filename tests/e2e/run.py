"""`make test` and `make proof`: what each runs, on the lab that is up, else on one that is brought up and taken down again.

`make test`: static checks; unit tests, beside which the lab comes up as far as the gate; `./rag up` again, to its verdict; then the short
end-to-end tests. `make proof`: those that break something on purpose, after two `./rag up` that are stopped in the middle. Several files
run at a time first, since most of them wait; then two by two the tests marked `quiet`; then one by one those marked `alone`, which time
something or look at all of the lab. At the end stands how long each part took.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab.places import REPOSITORY
from tests.e2e.lab import STORY, Lab

CHECKS = ("static", "unit")
"""What `make test` does before the lab is tested; a part that fails ends it, and the lab that comes up beside the unit tests."""
AFTER_THE_LAB = ("nice", "-n", "5")
"""Unit tests take what the lab that comes up leaves of the machine: its API server has two minutes to be ready."""
SELECTED = {
    "test": {
        "beside": "e2e and not proof and not alone and not quiet",
        "quiet": "e2e and not proof and not alone and quiet",
        "alone": "e2e and not proof and alone",
    },
    "proof": {"beside": "e2e and proof and not alone", "alone": "e2e and proof and alone"},
}
"""Expressions of pytest's -m for each command; with the unit tests each test is in exactly one."""
AT_A_TIME = {"beside": ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"], "quiet": ["-n", "2", "--dist", "worksteal"]}


@dataclass
class Parts:
    """How long each part took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start

    def line(self) -> str:
        """Return one line for the end of the run."""
        minutes, seconds = divmod(round(sum(self.seconds.values())), 60)
        return f"took: {', '.join(f'{name} {took:.0f} s' for name, took in self.seconds.items())}; all {minutes} min {seconds} s"


def main(command: str, lab: Lab) -> int:
    """Return 0 when all tests of a command passed; no test runs on the lab where a check or a unit test failed."""
    parts = Parts()
    try:
        return (_checks(lab, parts) if command == "test" else 0) or _on_the_lab(lab, parts, command)
    finally:
        if not lab.was_up:
            with parts.timed("down"):
                lab.take_down()
        lab.say(parts.line())


def _checks(lab: Lab, parts: Parts) -> int:
    for name in CHECKS:
        if name == "unit":
            lab.begin()
        with parts.timed(name):
            code = _code([*AFTER_THE_LAB, "make", "-s", name, f"PYTHON={sys.executable}"])
        if code:
            return code
    if not lab.was_up:
        with parts.timed("lab"):
            lab.wait_until_begun()
    return 0


def _on_the_lab(lab: Lab, parts: Parts, command: str) -> int:
    if not lab.was_up:
        with parts.timed("up"):
            lab.bring_up(stopped_before=command == "proof")
    story = REPOSITORY / "build" / "e2e" / "story.json"
    story.parent.mkdir(parents=True, exist_ok=True)
    lab.tell(story)
    codes = list[int]()
    for name, selected in SELECTED[command].items():
        chosen = ["--durations=30", "-m", selected, *AT_A_TIME.get(name, []), *map(str, files_on_the_lab())]
        with parts.timed(name):
            codes.append(_code([sys.executable, "-m", "pytest", *chosen], story=str(story)))
    return int(any(codes))  # one that was killed ended with a number below 0


@functools.cache
def files_on_the_lab() -> tuple[Path, ...]:
    """Return the files with a test that needs the lab; reading all others takes each process of pytest half a minute of CPU."""
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    return tuple(file for file in files if "mark.e2e" in file.read_text(encoding="utf-8"))


def _code(command: list[str], story: str | None = None) -> int:
    environment = os.environ if story is None else {**os.environ, STORY: story}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Lab(partial(print, flush=True))))
