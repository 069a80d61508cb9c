"""`make test` and `make proof`: what each runs, on the lab that is up, else on one that is brought up and taken down again.

`make test`: static checks; unit tests, beside which the lab comes up as far as the gate; `./rag up` again, to its verdict; then the short
end-to-end tests. `make proof`: those that break something on purpose, after two `./rag up` that are stopped in the middle. Several files
run at a time first, since most of them wait; then two by two the tests marked `quiet`; then one by one those marked `alone`, which time
something or look at all of the lab. At the end stands each test that failed, with its error's first line, and how long each part took.
"""

import functools
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
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


RESULTS = REPOSITORY / "build" / "e2e"


def results(part: str) -> Path:
    """Return the file in which pytest writes a part's results, as for JUnit."""
    return RESULTS / f"{part}.xml"


@dataclass
class Parts:
    """How long each part took, and which of its tests failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def run(self, name: str, command: list[str], story: Path | None = None) -> int:
        """Return the exit code of a part's command, and keep which of its tests failed."""
        results(name).parent.mkdir(parents=True, exist_ok=True)
        results(name).unlink(missing_ok=True)
        with self.timed(name):
            code = _code(command, story)
        broken = failures(results(name)) or ([f"ended with {code}"] if code else [])
        self.failed.extend(f"{name}: {failure}" for failure in broken)
        return code

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start

    def summary(self) -> str:
        """Return the end of what a run prints: failed tests, then times."""
        minutes, seconds = divmod(round(sum(self.seconds.values())), 60)
        took = f"took: {', '.join(f'{name} {took:.0f} s' for name, took in self.seconds.items())}; all {minutes} min {seconds} s"
        return "\n".join([*(f"FAILED {failure}" for failure in self.failed), took])


def failures(file: Path) -> list[str]:
    """Return each test that failed or broke, with its error's first line; none where pytest did not come to write them down."""
    cases = ET.parse(file).iter("testcase") if file.exists() else ()  # noqa: S314  written by pytest a moment ago
    broken = [(case, what.get("message", "").splitlines() or [""]) for case in cases for what in case if what.tag in {"failure", "error"}]
    return [f"{case.get('classname')}::{case.get('name')}: {message[0][:300]}" for case, message in broken]


def main(command: str, lab: Lab) -> int:
    """Return 0 when all tests of a command passed; no test runs on the lab where a check or a unit test failed."""
    parts = Parts()
    try:
        return (_checks(lab, parts) if command == "test" else 0) or _on_the_lab(lab, parts, command)
    finally:
        if not lab.was_up:
            with parts.timed("down"):
                lab.take_down()
        lab.say(parts.summary())


def _checks(lab: Lab, parts: Parts) -> int:
    for name in CHECKS:
        if name == "unit":
            lab.begin()
        code = parts.run(name, [*AFTER_THE_LAB, "make", "-s", name, f"PYTHON={sys.executable}", f"RESULTS=--junitxml={results(name)}"])
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
    story = RESULTS / "story.json"
    story.parent.mkdir(parents=True, exist_ok=True)
    lab.tell(story)
    codes = list[int]()
    for name, selected in SELECTED[command].items():
        chosen = [f"--junitxml={results(name)}", "--durations=20", "-m", selected, *AT_A_TIME.get(name, []), *map(str, files_on_the_lab())]
        codes.append(parts.run(name, [sys.executable, "-m", "pytest", *chosen], story))
    return int(any(codes))  # one that was killed ended with a number below 0


@functools.cache
def files_on_the_lab() -> tuple[Path, ...]:
    """Return the files with a test that needs the lab; reading all others takes each process of pytest half a minute of CPU."""
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    return tuple(file for file in files if "mark.e2e" in file.read_text(encoding="utf-8"))


def _code(command: list[str], story: Path | None) -> int:
    environment = os.environ if story is None else {**os.environ, STORY: str(story)}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Lab(partial(print, flush=True))))
