"""What `make test` does after the static checks: unit tests, the lab up, its tests, the lab down unless it was there before.

Beside the unit tests, which need no lab, `./rag up` is stopped twice in the middle: neither times anything. On the lab, two files of tests
run at a time, since most of them wait; then one by one those marked `alone`, which time something or look at all of the lab.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lab.places import REPOSITORY
from tests.e2e.lab import STORY, Lab

UNIT = ["make", "-s", "unit", f"PYTHON={sys.executable}"]
PYTEST = [sys.executable, "-m", "pytest", "--durations=30", "-m"]
BESIDE = [*PYTEST, "e2e and not alone", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
ALONE = [*PYTEST, "e2e and alone"]


def main() -> int:
    """Return 0 when all tests passed; the lab is not brought up to its verdict where a unit test failed."""
    lab = Lab(partial(print, flush=True))
    try:
        with ThreadPoolExecutor(1) as beside:
            unit = beside.submit(_code, UNIT)
            if not lab.was_up:
                lab.stop_in_the_middle()
            failed = unit.result()
        return failed or _on_the_lab(lab)
    finally:
        if not lab.was_up:
            lab.take_down()


def _on_the_lab(lab: Lab) -> int:
    if not lab.was_up:
        lab.leave_alone()
    story = REPOSITORY / "build" / "e2e" / "story.json"
    story.parent.mkdir(parents=True, exist_ok=True)
    lab.tell(story)
    codes = [_code(command, story=str(story)) for command in (BESIDE, ALONE)]
    return int(any(codes))  # one that was killed ended with a number below 0


def _code(command: list[str], story: str | None = None) -> int:
    environment = os.environ if story is None else {**os.environ, STORY: story}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
