"""A state that a killed Pulumi left half-written is read, and nothing else is removed."""

import json
import os
from pathlib import Path

import pytest

from stacks import pulumi_cli
from stacks.problems import SettingsError

SAYS = """#!/bin/sh
case "$1" in
  whoami) echo '{{"url": "file://{home}"}}' ;;
  stack) if [ -e "{torn}" ] && [ ! -s "{torn}" ]; then echo "error: failed to load checkpoint: EOF" >&2; exit 255; fi
         echo '{state}' ;;
esac
"""


@pytest.fixture
def torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File of attributes beside a state, and a `pulumi` that fails on it as the real one does."""
    attributes = tmp_path / ".pulumi" / "stacks" / "milvus-x10000" / "t.json.attrs"
    attributes.parent.mkdir(parents=True)
    state = json.dumps({"deployment": {"resources": [{"urn": "u"}]}})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text(SAYS.format(home=tmp_path, torn=attributes, state=state))
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return attributes


def test_empty_attributes_beside_a_state_are_removed_and_the_state_is_read(torn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn.touch()
    other = torn.with_name("other.json.attrs")
    other.touch()
    assert pulumi_cli.resources("t") == [{"urn": "u"}]
    assert (torn.exists(), other.exists()) == (False, True)
    assert "the state itself is whole" in capsys.readouterr().err


def test_any_other_failure_stays_a_failure(torn: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\necho 'error: incorrect passphrase' >&2; exit 255\n")
    with pytest.raises(SettingsError, match="incorrect passphrase"):
        pulumi_cli.resources("t")
    assert not torn.exists()
