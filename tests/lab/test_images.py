"""Images without a container engine."""

import hashlib
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from components import milvus_values
from lab.images.archive import Recipe, pack, pack_layer, write_file
from lab.images.build import lock_up, milvus_defaults
from tests.components.test_contract import DATA, SHAPE

RECIPE = Recipe(repository="lab.local/thing", tag="1", entrypoint=("/run",))


def _root(home: Path, text: bytes = b"hello") -> Path:
    home.mkdir()
    write_file(home / "etc" / "thing", text)
    (home / "link").symlink_to("etc/thing")
    return home


def _pack(root: Path, archive: Path) -> str:
    layer = archive.with_suffix(".layer")
    pack_layer(root, layer)
    return pack([layer], RECIPE, archive)


def test_the_same_files_give_the_same_digest_and_others_another_one(tmp_path: Path) -> None:
    first = _pack(_root(tmp_path / "a"), tmp_path / "a.tar")
    assert _pack(_root(tmp_path / "b"), tmp_path / "b.tar") == first
    assert _pack(_root(tmp_path / "c", b"other"), tmp_path / "c.tar") != first


def test_every_blob_of_the_archive_is_named_by_its_own_digest_and_the_reference_names_the_manifest(tmp_path: Path) -> None:
    reference = _pack(_root(tmp_path / "a"), tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        blobs = {name: tar.extractfile(name).read() for name in tar.getnames() if name.startswith("blobs/")}  # type: ignore[union-attr]
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
    assert {name.rpartition("/")[2] for name in blobs} == {hashlib.sha256(blob).hexdigest() for blob in blobs.values()}
    assert reference == f"lab.local/thing:1@{index['manifests'][0]['digest']}"


def test_the_layer_holds_files_and_links_owned_by_root_without_times(tmp_path: Path) -> None:
    _pack(_root(tmp_path / "a"), tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        layer = max((member for member in tar.getmembers() if member.name.startswith("blobs/")), key=lambda member: member.size)
        with tarfile.open(fileobj=tar.extractfile(layer)) as files:
            members = {member.name: member for member in files.getmembers()}
    assert set(members) == {"etc", "etc/thing", "link"}
    assert members["link"].linkname == "etc/thing"
    assert {(member.uid, member.mtime) for member in members.values()} == {(0, 0)}


def test_no_file_of_a_layer_may_be_written_by_every_user_but_those_in_a_folder_that_is_sticky(tmp_path: Path) -> None:
    root = _root(tmp_path / "a")
    (root / "tmp").mkdir()
    for name, mode in (("etc/thing", 0o666), ("etc", 0o777), ("tmp", 0o1777)):
        (root / name).chmod(mode)
    pack_layer(root, tmp_path / "layer")
    assert writable_by_all(tmp_path / "layer") == ["tmp"]
    with tarfile.open(tmp_path / "layer") as files:
        assert (files.getmember("etc/thing").mode, files.getmember("etc").mode) == (0o664, 0o775)


def writable_by_all(layer: Path) -> list[str]:
    with tarfile.open(layer) as files:
        return [member.name for member in files if not member.issym() and member.mode & stat.S_IWOTH]


def test_a_layer_holds_its_folder_alone_and_the_lowest_layer_comes_first(tmp_path: Path) -> None:
    root = _root(tmp_path / "a")
    write_file(root / "app" / "code", b"code")
    pack_layer(root, tmp_path / "own.layer", "app")
    pack_layer(_root(tmp_path / "b"), tmp_path / "base.layer")
    pack([tmp_path / "base.layer", tmp_path / "own.layer"], RECIPE, tmp_path / "a.tar")
    digests = [hashlib.sha256((tmp_path / f"{name}.layer").read_bytes()).hexdigest() for name in ("base", "own")]
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert [name.rpartition("/")[2] for name in tar.getnames()[-2:]] == digests
    with tarfile.open(tmp_path / "own.layer") as tar:
        assert tar.getnames() == ["app/code"]


def test_milvus_defaults_have_no_placeholder_left_and_keep_their_data_in_one_place() -> None:
    template = (
        "etcd:\n  data:\n    dir: {{ etcd_data_dir }}\nproxy:\n  port: {{ proxy_port(int): 19530 }}\ncommon:\n  storageType: local # why\n"
    )
    assert yaml.safe_load(milvus_defaults(template)) == {
        "etcd": {"data": {"dir": "/var/lib/milvus/etcd"}},
        "proxy": {"port": 19530},
        "common": {"storageType": "remote"},
    }


ROOT, NEWER = 0, 999
"""Owner and group of Milvus's files in older official images, and in newer ones."""
OURS = milvus_values.values(SHAPE, DATA)["securityContext"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away and run it as somebody else")
@pytest.mark.parametrize(
    ("owner", "user", "group", "code"),
    [
        *((owner, OURS["runAsUser"], OURS["runAsGroup"], 0) for owner in (ROOT, NEWER)),
        (ROOT, 1000, 1000, 126),
        (ROOT, 1000, 0, 0),
        (NEWER, 1000, 0, 126),
        (ROOT, 999, 999, 126),
    ],
)
def test_the_user_of_the_blueprint_may_run_milvus_of_older_and_newer_images_and_a_wrong_one_may_not(
    owner: int, user: int, group: int, code: int
) -> None:
    with TemporaryDirectory() as folder:  # pytest's own is closed to other users
        home = Path(folder) / "milvus"
        write_file(home / "bin" / "milvus", b"#!/bin/sh\n. ../lib/part\n")
        write_file(home / "lib" / "part", b"exit 0\n")
        lock_up(home)
        for path in (Path(folder), home):
            path.chmod(0o755)
        for path in home.rglob("*"):
            os.chown(path, owner, owner)
        command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "sh", "-c", "exec ./milvus"]
        ended = subprocess.run(command, cwd=home / "bin", capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
