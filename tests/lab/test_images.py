"""Images without a container engine."""

import hashlib
import json
import tarfile
from pathlib import Path

import yaml

from lab.images.archive import Recipe, pack, write_file
from lab.images.build import milvus_defaults

RECIPE = Recipe(repository="lab.local/thing", tag="1", entrypoint=("/run",))


def _root(home: Path, text: bytes = b"hello") -> Path:
    home.mkdir()
    write_file(home / "etc" / "thing", text)
    (home / "link").symlink_to("etc/thing")
    return home


def test_the_same_files_give_the_same_digest_and_others_another_one(tmp_path: Path) -> None:
    first = pack(_root(tmp_path / "a"), RECIPE, tmp_path / "a.tar")
    assert pack(_root(tmp_path / "b"), RECIPE, tmp_path / "b.tar") == first
    assert pack(_root(tmp_path / "c", b"other"), RECIPE, tmp_path / "c.tar") != first


def test_every_blob_of_the_archive_is_named_by_its_own_digest_and_the_reference_names_the_manifest(tmp_path: Path) -> None:
    reference = pack(_root(tmp_path / "a"), RECIPE, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        blobs = {name: tar.extractfile(name).read() for name in tar.getnames() if name.startswith("blobs/")}  # type: ignore[union-attr]
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
    assert {name.rpartition("/")[2] for name in blobs} == {hashlib.sha256(blob).hexdigest() for blob in blobs.values()}
    assert reference == f"lab.local/thing:1@{index['manifests'][0]['digest']}"


def test_the_layer_holds_files_and_links_owned_by_root_without_times(tmp_path: Path) -> None:
    pack(_root(tmp_path / "a"), RECIPE, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        layer = max((member for member in tar.getmembers() if member.name.startswith("blobs/")), key=lambda member: member.size)
        with tarfile.open(fileobj=tar.extractfile(layer)) as files:
            members = {member.name: member for member in files.getmembers()}
    assert set(members) == {"etc", "etc/thing", "link"}
    assert members["link"].linkname == "etc/thing"
    assert {(member.uid, member.mtime) for member in members.values()} == {(0, 0)}


def test_milvus_defaults_have_no_placeholder_left_and_keep_their_data_in_one_place() -> None:
    template = (
        "etcd:\n  data:\n    dir: {{ etcd_data_dir }}\nproxy:\n  port: {{ proxy_port(int): 19530 }}\ncommon:\n  storageType: local # why\n"
    )
    assert yaml.safe_load(milvus_defaults(template)) == {
        "etcd": {"data": {"dir": "/var/lib/milvus/etcd"}},
        "proxy": {"port": 19530},
        "common": {"storageType": "remote"},
    }
