"""`make page` and `make clients`: Chromium at the pages of the gate and of `ask`; what people use of OpenAI's API at the service."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from lab import bootstrap
from lab.errors import LabError
from lab.places import CACHE, REPOSITORY, UV
from lab.steps import Steps
from tests.page.served import KEY, served
from tests.page.written import pages

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
PICTURES = Path("build/page")
_DEBIAN = ("chromium", "fonts-noto-cjk")
_COLOURS = 64
_STEPS = Steps(log=CACHE / "log" / "commands.log")


def environment() -> Path:
    """Return the Python of an environment with playwright, axe-core and the clients, made where it is not there or of another lock."""
    home = CACHE / "page"
    python, made = home / "bin" / "python", home / "requirements.lock"
    if not made.exists() or made.read_text() != LOCK.read_text():
        _STEPS.run([UV, "venv", "-q", "--clear", "--python", sys.executable, home], cure=bootstrap.CURE_PACKAGES)
        _STEPS.run([UV, "pip", "sync", "-q", "--python", python, "--require-hashes", LOCK], cure=bootstrap.CURE_PACKAGES)
        shutil.copy(LOCK, made)
    return python


def chromium() -> str:
    """Return a Chromium, installed first where this is the lab's own kind of machine; LabError where there is none."""
    known = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if known is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise LabError("no Chromium is on PATH, and only root of a Debian can install it", "name one: CHROMIUM=/path make page")
        bootstrap.ensure_packages(_STEPS, _DEBIAN)
    return known or "/usr/bin/chromium"


def look(urls: Mapping[str, str], key: str, pictures: Path) -> list[str | Path]:
    """Return the command that looks at the page."""
    return [environment(), HERE / "browser.py", json.dumps(urls), key, pictures, chromium()]


def ask(url: str, key: str) -> list[str | Path]:
    """Return the command that asks through the clients."""
    return [environment(), HERE / "clients.py", url, key]


def look_at_reports(home: Path, pictures: Path) -> list[str | Path]:
    """Return the command that looks at the pages of the gate in a folder; it runs in the repository."""
    return [environment(), "-m", "tests.page.reports", home, pictures, chromium()]


def main(what: str) -> int:
    """Return the exit code of the other side; 2 without a Chromium for the page."""
    try:
        if what == "reports":
            with tempfile.TemporaryDirectory() as home:
                pages(Path(home))
                return subprocess.run(look_at_reports(Path(home), PICTURES.absolute()), cwd=REPOSITORY, check=False).returncode
        with served() as urls:
            command = look(urls, KEY, PICTURES) if what == "page" else ask(urls[""], KEY)
            code = subprocess.run(command, check=False).returncode
        if what == "page" and not code:  # small enough for the repository: cp build/page/ask.png docs/
            Image.open(PICTURES / "light.png").quantize(_COLOURS).save(PICTURES / "ask.png", optimize=True)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
