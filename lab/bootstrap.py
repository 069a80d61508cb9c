"""From a bare machine, or a refusal in one line, to a virtual environment: checks, Debian and Python packages. Standard library only."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import cache, disk
from lab.errors import LabError
from lab.lock import PACKAGES, only_one
from lab.places import CACHE, REPOSITORY
from lab.steps import Steps

MEMORY_MINIMUM_GIB = 8
DEBIAN_PACKAGES = ("ca-certificates", "containerd", "containernetworking-plugins", "iproute2", "iptables", "runc", "tini")
LOCK = REPOSITORY / "requirements.lock"
LINK = REPOSITORY / ".venv"
COMPLETE = "complete"  # file of a virtual environment that is whole: the sums of all others
_OTHER_MACHINE = "use a Debian 12 machine, or your own cluster (README)"
CURE_PACKAGES = "check that pip reaches its package index (`pip download pip`), then `./rag up` again"


def check_machine() -> None:
    """Raise LabError where the lab cannot run: not Linux on x86-64, not root, not Debian-like, too small."""
    host = f"{platform.system()} {platform.machine()}"
    if host != "Linux x86_64":
        raise LabError(f"the lab runs on Linux x86_64 only, this is {host}", _OTHER_MACHINE)
    if os.geteuid() != 0:
        raise LabError(f"the lab needs root for namespaces and mounts, this is user {os.geteuid()}", "sudo ./rag up")
    release = platform.freedesktop_os_release()
    if (release["ID"], release.get("VERSION_ID")) != ("debian", "12"):
        raise LabError(f"the lab is made for Debian 12, this is {release['PRETTY_NAME']}", _OTHER_MACHINE)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if memory_gib < MEMORY_MINIMUM_GIB:
        raise LabError(f"{memory_gib:.1f} GiB of memory; the lab needs {MEMORY_MINIMUM_GIB}", "use a larger machine")
    disk.check_room()


def missing_packages(names: Sequence[str] = DEBIAN_PACKAGES) -> list[str]:
    """Return those Debian packages of `names` that are not installed."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def ensure_packages(steps: Steps, names: Sequence[str] = DEBIAN_PACKAGES) -> None:
    """Install what is missing of `names`, one command at a time: dpkg takes no second one."""
    if not missing_packages(names):
        return
    with only_one(PACKAGES, patience_s=600, say=steps.say):
        missing = missing_packages(names)
        if missing:
            steps.say(f"will install from Debian: {' '.join(missing)}")
            with steps.step("Debian packages"):
                install_packages(missing, steps)


def install_packages(names: Sequence[str], steps: Steps) -> None:
    """Install Debian packages, without starting the services that they bring: the lab runs its own containerd."""
    cure, environment = "check `apt-get update` on this machine, then `./rag up` again", {"DEBIAN_FRONTEND": "noninteractive"}
    policy = Path("/usr/sbin/policy-rc.d")  # packages ask it whether a service may be started now; one that is there stands
    ours = not policy.exists()
    try:
        if ours:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        steps.run(["dpkg", "--configure", "-a"], cure="dpkg --configure -a", env=environment)
        steps.run(["apt-get", "update", "-q"], cure=cure, env=environment)
        steps.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *names], cure=cure, env=environment)
    finally:
        if ours:
            policy.unlink(missing_ok=True)


def venv_home() -> Path:
    """Return where the virtual environment belongs: one for each lock file and Python."""
    return CACHE / "venv" / hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]


def make_venv(steps: Steps) -> Path:
    """Return the virtual environment of requirements.lock, made first if missing, .venv linked to it; LabError without a package."""
    home = venv_home()
    with only_one(PACKAGES, patience_s=600, say=steps.say):
        if Path(sys.prefix) != home:
            _mend(home, steps)
        if not (home / COMPLETE).exists():
            with steps.step("Python packages from requirements.lock"):
                _fill_venv(home, steps)
        if LINK.exists() and not LINK.is_symlink():
            cure = "move your own virtual environment away: mv .venv .venv.mine"
            raise LabError(f"{LINK} is a folder, where the lab puts a link to {home}", cure)
        if not LINK.is_symlink() or LINK.readlink() != home:
            LINK.unlink(missing_ok=True)
            LINK.symlink_to(home)
    return home


def _mend(home: Path, steps: Steps) -> None:
    """Install every package anew where a file is not what it was: in place, since others may run from it. Else all of it is made anew."""
    complete = home / COMPLETE
    if not complete.exists():
        return
    sums = cache.read_sums(complete)
    wrong = "its list of files cannot be read" if sums is None else cache.first_difference(home, sums)
    if not wrong:
        return
    steps.say(f"note   the virtual environment {home} is damaged: {wrong}; it is mended")
    try:
        _sync(home, steps, "--reinstall", "--no-cache")
    except LabError:  # the installer itself, perhaps
        sums = None
    if sums is None or cache.first_difference(home, sums):
        complete.unlink()
    else:
        cache.write_sums(home, complete)


def _fill_venv(home: Path, steps: Steps) -> None:
    disk.require(CACHE, disk.BUILD_GIB, "Python packages")
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        install_packages(["python3-venv"], steps)
    shutil.rmtree(home, ignore_errors=True)
    try:
        steps.run([sys.executable, "-m", "venv", home], cure="apt-get install python3-venv")
        uv_lock = REPOSITORY / "lab" / "uv-requirements.lock"
        steps.run([home / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", uv_lock], cure=CURE_PACKAGES)
        _sync(home, steps)
        cache.write_sums(home, home / COMPLETE)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _sync(home: Path, steps: Steps, *options: str) -> None:
    """Install what the lock says; copied, since links would carry damage into the installer's cache and from there everywhere."""
    python: list[str | Path] = ["--python", home / "bin" / "python", "--link-mode", "copy"]
    steps.run([home / "bin" / "uv", "pip", "sync", *options, *python, "--require-hashes", LOCK], cure=CURE_PACKAGES)


def enter(home: Path, started: float) -> None:
    """Go on as the same command under the virtual environment's Python; return at once when that is so already."""
    if Path(sys.prefix) == home:
        return
    environment = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(home), "LAB_STARTED": str(started)}
    os.execve(home / "bin" / "python", ["python", "-m", "lab", *sys.argv[1:]], environment)  # noqa: S606  not a shell
