"""`make page` and `make clients`: Chromium, and what people use of OpenAI's API, against the service on real parts on loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab.places import CACHE
from tests.page.served import KEY, served

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
PICTURES = Path("build/page")


def environment() -> Path:
    """Return the Python of an environment with playwright and axe-core, made where it is not there or another lock."""
    home = CACHE / "page"
    python, made = home / "bin" / "python", home / "requirements.lock"
    if not made.exists() or made.read_text() != LOCK.read_text():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, home], check=True)
        subprocess.run([uv, "pip", "sync", "-q", "--python", python, "--require-hashes", LOCK], check=True)
        shutil.copy(LOCK, made)
    return python


def main(what: str) -> int:
    """Return the exit code of the other side; 2 without a Chromium for the page."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if what == "page" and chromium is None:
        print("page: no chromium on PATH; apt-get install chromium fonts-noto-cjk, or name one: CHROMIUM=/path make page", file=sys.stderr)
        return 2
    python = environment()
    more = [str(PICTURES), str(chromium)] if what == "page" else []
    script = HERE / ("browser.py" if what == "page" else "clients.py")
    with served() as (url, _):
        return subprocess.run([python, script, url, KEY, *more], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
