"""OCI image archives written in plain Python: the same files give the same digest, on any machine and at any time."""

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import cache

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the processes of an image start; what files it has is a folder's business."""

    repository: str
    tag: str
    entrypoint: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "1000:1000"
    working_dir: str = "/"


def pack(layers: Sequence[Path], recipe: Recipe, archive: Path) -> str:
    """Write an OCI archive of `layers`, the lowest first, and return the reference `repository:tag@sha256:...`."""
    digests = [cache.sha256(layer) for layer in layers]
    start = {
        "Entrypoint": list(recipe.entrypoint),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
        "User": recipe.user,
        "WorkingDir": recipe.working_dir,
    }
    content = {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}
    config = _json({"architecture": "amd64", "os": "linux", "config": start, "rootfs": content})
    described = {"mediaType": CONFIG, "digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config)}
    sizes = [(digest, layer.stat().st_size) for digest, layer in zip(digests, layers, strict=True)]
    blobs = [{"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size} for digest, size in sizes]
    manifest = _json({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": blobs})
    digest = hashlib.sha256(manifest).hexdigest()
    name = f"{recipe.repository}:{recipe.tag}"
    index = {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": len(manifest), "annotations": {"io.containerd.image.name": name}}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [index]}))
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        for blob_digest, layer in zip(digests, layers, strict=True):
            tar.add(layer, f"blobs/sha256/{blob_digest}", filter=_plain)
    return f"{name}@sha256:{digest}"


def pack_layer(root: Path, layer: Path, folder: str = ".") -> None:
    """Write what is below `folder` of `root` as a layer: owned by root and without times."""
    with tarfile.open(layer, "w") as tar:
        for path in sorted((root / folder).rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    if not member.mode & stat.S_ISVTX:  # but for /tmp nothing is writable for every user: uv leaves such a lock beside its wheels
        member.mode &= ~stat.S_IWOTH
    return member


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file of an image, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
