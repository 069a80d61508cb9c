"""A state that a killed Pulumi left half-written is read, and nothing else is removed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import process_tree
from stacks.operations import pulumi_cli
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


FAILS = """#!/usr/bin/env python3
import json, pathlib, sys
log = pathlib.Path(sys.argv[sys.argv.index("--event-log") + 1])
def error(urn, message):
    return json.dumps({"diagnosticEvent": {"urn": urn, "severity": "error", "message": message}})
log.write_text("\\n".join([
    error("urn:pulumi:t::p::pulumi:pulumi:Stack::p-t", "update failed"),
    json.dumps({"diagnosticEvent": {"urn": "urn::x::a-warning", "severity": "warning", "message": "no"}}),
    error("urn:pulumi:t::p::kubernetes:helm.sh/v3:Release::milvus-release", "<{%reset%}>first\\n  cause<{%reset%}>\\n"),
]))
sys.exit(255)
"""
REFUSED = """#!/bin/sh
echo "error: the stack is currently locked by 1 lock(s)" >&2
exit 255
"""
IN_ORDER = """#!/usr/bin/env python3
import pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
(here / "started").touch()
while not asked:
    time.sleep(0.01)
time.sleep(1)
(here / "ended").write_text(str(len(asked)))
"""


def as_pulumi(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in the place of `pulumi`."""
    (folder / "pulumi").write_text(text)
    (folder / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("pulumi", "cause"),
    [(FAILS, "milvus-release: first cause"), (REFUSED, "error: the stack is currently locked by 1 lock(s)")],
    ids=["a resource", "before anything"],
)
def test_a_failed_up_says_what_failed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulumi: str, cause: str) -> None:
    as_pulumi(tmp_path, pulumi, monkeypatch)
    assert pulumi_cli.up("t") == pulumi_cli.Ended(code=255, cause=cause)


def _heed_ctrl_c() -> None:
    """Undo what a shell does to a command in the background, whose children ignore Ctrl-C too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_asks_pulumi_once_and_waits_for_it_however_often_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    as_pulumi(tmp_path, IN_ORDER, monkeypatch)
    command = [sys.executable, "-c", "import sys; from stacks.operations import pulumi_cli; sys.exit(pulumi_cli.up('t').code)"]
    with subprocess.Popen(command, start_new_session=True, preexec_fn=_heed_ctrl_c) as process:  # noqa: PLW1509  holds no lock
        process_tree.wait_for((tmp_path / "started").exists, 60, "it did not start", "")
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
            time.sleep(0.1)
        assert process.wait() == pulumi_cli.INTERRUPTED
    assert (tmp_path / "ended").read_text() == "1"


def test_a_stack_that_the_backend_does_not_have_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_pulumi(tmp_path, "#!/bin/sh\necho \"error: no stack named 't' found\" >&2; exit 255\n", monkeypatch)
    assert pulumi_cli.state("t") is None
    assert pulumi_cli.resources("t") == []
