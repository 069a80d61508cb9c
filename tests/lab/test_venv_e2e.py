"""A virtual environment whose files were damaged: mended in place, and the installer's cache is not."""

import os
import re
from pathlib import Path

import pytest

from lab import bootstrap, cache
from lab.places import REPOSITORY
from lab.steps import Steps

pytestmark = pytest.mark.e2e


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real environment with one package, from an installer's cache of its own."""
    locked = (REPOSITORY / "requirements.lock").read_text()
    one = re.search(r"^iniconfig==.*\n(?: .*\n)*", locked, re.MULTILINE)
    assert one is not None
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "lock")
    bootstrap.LOCK.write_text(one[0])
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    found = tmp_path / "venv"
    bootstrap._fill_venv(found, Steps(log=tmp_path / "log"))
    return found


def _damage(home: Path) -> Path:
    (module,) = home.glob("lib/python*/site-packages/iniconfig/__init__.py")
    os.truncate(module, 10)
    return module


def test_a_package_that_is_truncated_is_installed_again_in_place_and_the_installers_cache_was_never_damaged(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = Steps(log=tmp_path / "log")
    module = _damage(home)
    (cached,) = (tmp_path / "uv").glob("archive-v0/*/iniconfig/__init__.py")
    assert cached.stat().st_size > 10
    bootstrap._mend(home, steps)
    assert "__init__.py has 10 bytes and was built with" in capsys.readouterr().out
    sums = cache.read_sums(home / bootstrap.COMPLETE)
    assert sums is not None
    assert cache.first_difference(home, sums, thorough=True) == ""
    assert module.stat().st_size > 10
