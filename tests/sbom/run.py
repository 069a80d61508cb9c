"""`make sbom`: a bill of materials for each part of a release, in build/sbom."""

import shutil
import subprocess
import sys
from pathlib import Path

from lab import bootstrap
from lab.places import CACHE, UV
from lab.steps import Steps

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
_STEPS = Steps(log=CACHE / "log" / "commands.log")


def environment() -> Path:
    """Return the Python of an environment with CycloneDX's library, made where it is not there or of another lock."""
    home = CACHE / "sbom"
    made = home / "requirements.lock"
    if not made.exists() or made.read_text() != LOCK.read_text():
        _STEPS.run([UV, "venv", "-q", "--clear", "--python", sys.executable, home], cure=bootstrap.CURE_PACKAGES)
        _STEPS.run([UV, "pip", "sync", "-q", "--python", home / "bin" / "python", "--require-hashes", LOCK], cure=bootstrap.CURE_PACKAGES)
        shutil.copy(LOCK, made)
    return home / "bin" / "python"


if __name__ == "__main__":
    sys.exit(subprocess.run([environment(), HERE / "write.py"], check=False).returncode)
