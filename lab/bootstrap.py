"""From a bare machine to a virtual environment: checks, Debian packages, Python packages.

Standard library only, for it runs before anything is installed. It refuses, in one line, a machine that cannot host the lab.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.places import CACHE, REPOSITORY, STATE
from lab.steps import Steps

PYTHON_MINIMUM = (3, 11)
MEMORY_MINIMUM_GIB = 8
DISK_MINIMUM_GIB = 16
"""An empty cache grows by 10 GiB of Go modules, compiled packages, tools and images; a lab's state by about 3."""

DEBIAN_PACKAGES = ("ca-certificates", "containerd", "containernetworking-plugins", "iproute2", "iptables", "runc", "tini")
LOCK = REPOSITORY / "requirements.lock"
LINK = REPOSITORY / ".venv"


def check_machine() -> None:
    """Raise LabError where the lab cannot run: not Linux on x86-64, not root, not Debian-like, too small."""
    host = f"{platform.system()} {platform.machine()}"
    if host != "Linux x86_64":
        raise LabError(f"the lab runs on Linux x86_64 only, this is {host}", "use a Debian 12 machine, or your own cluster (README)")
    if os.geteuid() != 0:
        raise LabError(f"the lab needs root for namespaces and mounts, this is user {os.geteuid()}", "sudo make up")
    if shutil.which("apt-get") is None:
        raise LabError("the lab installs containerd and runc with apt-get, which is missing", "use Debian 12, or your own cluster (README)")
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if memory_gib < MEMORY_MINIMUM_GIB:
        raise LabError(f"{memory_gib:.1f} GiB of memory; the lab needs {MEMORY_MINIMUM_GIB}", "use a larger machine")
    check_disk()


def check_disk() -> None:
    """Raise LabError where cache or state would run out of space half-way."""
    for place in (CACHE, STATE):
        there = next(path for path in (place, *place.parents) if path.exists())
        needed_gib = DISK_MINIMUM_GIB if place == STATE or not (CACHE / "tools").exists() else 4
        free_gib = shutil.disk_usage(there).free / 2**30
        if free_gib < needed_gib:
            cure = f"free space under {there}, or `XDG_CACHE_HOME=/a/larger/disk make up` for the cache"
            raise LabError(f"{free_gib:.1f} GiB free under {there}; {place} needs {needed_gib}", cure)


def missing_packages(names: Sequence[str] = DEBIAN_PACKAGES) -> list[str]:
    """Return those Debian packages of `names` that are not installed."""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names], capture_output=True, text=True, check=False
    )
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install_packages(names: Sequence[str], steps: Steps) -> None:
    """Install Debian packages, without starting the services that they bring."""
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    cure = "check `apt-get update` on this machine, then `make up` again"
    steps.run(["apt-get", "update", "-q"], cure=cure, env=environment)
    steps.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *names], cure=cure, env=environment)


def venv_home() -> Path:
    """Return where the virtual environment belongs: one for each lock file and Python."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return CACHE / "venv" / key


def make_venv(steps: Steps) -> Path:
    """Return the virtual environment of requirements.lock, made first where the cache has none, and link .venv to it.

    Raises LabError when a package cannot be had or its hash differs.
    """
    home = venv_home()
    whole = home / "complete"
    if not whole.exists():
        shutil.rmtree(home, ignore_errors=True)
        cure = "check that pip reaches its package index (`pip download pip`), then `make up` again"
        python = str(home / "bin" / "python")
        if missing_packages(["python3-venv"]) and not _has_ensurepip():
            install_packages(["python3-venv"], steps)
        steps.run([sys.executable, "-m", "venv", home], cure="apt-get install python3-venv")
        uv_lock = REPOSITORY / "lab" / "uv-requirements.lock"
        steps.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", uv_lock], cure=cure)
        steps.run([home / "bin" / "uv", "pip", "sync", "--python", python, "--require-hashes", LOCK], cure=cure)
        whole.touch()
    _link(home)
    return home


def _has_ensurepip() -> bool:
    return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0


def _link(home: Path) -> None:
    if LINK.is_symlink() and LINK.readlink() == home:
        return
    if LINK.exists() and not LINK.is_symlink():
        raise LabError(
            f"{LINK} is a folder, where the lab puts a link to {home}", "move your own virtual environment away: mv .venv .venv.mine"
        )
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(home)


def enter(home: Path, started: float) -> None:
    """Go on as the same command under the virtual environment's Python; return at once when that is so already."""
    if Path(sys.prefix) == home:
        return
    environment = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(home), "LAB_STARTED": str(started)}
    os.execve(home / "bin" / "python", ["python", "-m", "lab", *sys.argv[1:]], environment)  # noqa: S606  not a shell
