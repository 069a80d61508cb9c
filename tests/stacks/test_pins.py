"""Names of images as engines read them, mirrors, and a lock that pins what is asked for and nothing else."""

import json
from pathlib import Path

import pytest

from stacks import images
from stacks.images import lock
from stacks.images.lock import PinnedChart, PinnedImage, Pins
from stacks.images.registry import credential_for
from stacks.problems import SettingsError
from stacks.settings import Settings, parse
from tests.stacks.test_settings import DIGEST, GOOD, configuration

MIRRORS = {"docker.io": "registry.example.net/hub", "ghcr.io": "registry.example.net:5000"}


@pytest.mark.parametrize(
    ("text", "whole", "mirrored"),
    [
        ("busybox:1.36", "docker.io/library/busybox:1.36", "registry.example.net/hub/library/busybox:1.36"),
        ("milvusdb/milvus:v2.6.15", "docker.io/milvusdb/milvus:v2.6.15", "registry.example.net/hub/milvusdb/milvus:v2.6.15"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1", "registry.example.net:5000/a/b:1"),
        ("host:5000/a:1", "host:5000/a:1", "host:5000/a:1"),
        ("localhost/a:1", "localhost/a:1", "localhost/a:1"),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}"),
        (f"quay.io/a/b:1.0@{DIGEST}", f"quay.io/a/b:1.0@{DIGEST}", f"quay.io/a/b:1.0@{DIGEST}"),
    ],
)
def test_a_name_is_read_as_engines_do_and_found_at_its_mirror(text: str, whole: str, mirrored: str) -> None:
    image = images.parse(text)
    assert image.text == whole
    assert images.mirrored(image, MIRRORS).text == mirrored


@pytest.mark.parametrize(
    ("mirrors", "said"),
    [
        ({"https://docker.io": "registry.example.net"}, "is no registry"),
        ({"milvusdb": "registry.example.net"}, "is no registry"),
        ({"docker.io": "https://registry.example.net"}, "is no mirror"),
        ({"docker.io": "registry.example.net/"}, "is no mirror"),
    ],
)
def test_what_is_no_mirror_is_refused(mirrors: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(configuration({**GOOD, "registry": {"mirrors": mirrors}}))


@pytest.fixture
def settings() -> Settings:
    return parse(configuration(GOOD))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "_FOLDER", tmp_path)
    monkeypatch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)
    return tmp_path


def lock_of(settings: Settings) -> Pins:
    images = {
        name: PinnedImage(of=text, reference=f"registry.example.net/{name}:1@{DIGEST}") for name, text in lock.named(settings).items()
    }
    return Pins(images=images, chart=PinnedChart(name="milvus", version="5.0.19", sha256="cd" * 32))


def test_the_lock_is_read_as_it_was_written_and_every_image_gets_its_digest(settings: Settings, folder: Path) -> None:
    made = lock_of(settings)
    assert lock.write("prod", made) == folder / "images.prod.lock"
    assert lock.read("prod") == made
    found = lock.pinned(settings, "prod")
    assert set(lock.named(found).values()) == {f"registry.example.net/{name}:1@{DIGEST}" for name in lock.named(settings)}
    assert found.object_store == settings.object_store


def test_without_a_lock_the_command_that_writes_one_is_named(settings: Settings, folder: Path) -> None:
    with pytest.raises(SettingsError, match=rf"there is no {folder}/images\.prod\.lock.*./rag pin prod"):
        lock.pinned(settings, "prod", required=True)


def test_a_lock_of_other_images_is_refused(settings: Settings, folder: Path) -> None:
    assert folder.is_dir()
    lock.write("prod", lock_of(settings))
    newer = settings.model_copy(update={"images": settings.images.model_copy(update={"llm": "lab.local/models:2.0"})})
    with pytest.raises(SettingsError, match=r"llm \(lab\.local/models:2\.0\).*./rag pin prod"):
        lock.pinned(newer, "prod")


def test_up_takes_the_images_of_a_lock_that_is_there_also_where_none_is_required(settings: Settings, folder: Path) -> None:
    assert folder.is_dir()
    assert lock.pinned(settings, "prod") is settings
    lock.write("prod", lock_of(settings))
    assert lock.pinned(settings, "prod") == lock.pinned(settings, "prod") != settings
    newer = settings.model_copy(update={"images": settings.images.model_copy(update={"llm": "lab.local/models:2.0"})})
    with pytest.raises(SettingsError, match=r"llm \(lab\.local/models:2\.0\).*./rag pin prod"):
        lock.pinned(newer, "prod")


@pytest.mark.parametrize("text", ["", "a: [", "milvus: {reference: 'milvus:latest'}\nchart: {}\n", "- 1\n"])
def test_a_damaged_lock_is_refused(text: str, folder: Path) -> None:
    (folder / "images.prod.lock").write_text(text)
    with pytest.raises(SettingsError, match=r"is no lock that `\./rag pin` wrote"):
        lock.read("prod")


def test_the_credential_of_a_helper_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-made-up"
    helper.write_text('#!/bin/sh\nread server\necho "{\\"Username\\": \\"$server\\", \\"Secret\\": \\"s\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "made-up"}))
    assert credential_for("registry.example.net", tmp_path / "config.json") == ("registry.example.net", "s")
    assert credential_for("registry.example.net", tmp_path / "nowhere.json") == (None, None)
