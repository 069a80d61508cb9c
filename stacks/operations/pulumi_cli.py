"""The Pulumi CLI as the commands need it: the state, credentials in it, one setting, and long runs that end in order.

A run of `pulumi up` has a session of its own: a terminal's Ctrl-C would reach it twice, and Pulumi takes the second for "at once", which
leaves a release half-done. It is asked once, and then waited for. Its output stays on the terminal; its own log of events says what failed.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.parse import urlsplit

from stacks.problems import SettingsError

INTERRUPTED = 130  # exit code of a command that was ended by Ctrl-C or SIGTERM
_TORN = "failed to load checkpoint: EOF"
_NO_STACK = "no stack named"
_CREDENTIAL = re.compile(r"::milvus-store-credential(?:-(?P<generation>\d+))?$")
_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_LONG = ["--yes", "--skip-preview", "--non-interactive", "--suppress-permalink"]
_PR_SET_PDEATHSIG = 1
_LONGEST_CAUSE = 600
_LAST_WORDS_S = 5


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A long run of Pulumi that came to its end."""

    code: int
    cause: str = ""  # what it says failed first, with the name of the resource


def state(stack: str, *, secrets: bool = False) -> dict[str, Any] | None:
    """Return the deployment in the state, with `secrets` in clear, for this process alone; None where the backend has no such stack."""
    export = ["stack", "export", "--stack", stack, *(["--show-secrets"] if secrets else [])]
    try:
        text = _output(*export)
    except SettingsError as error:
        if _NO_STACK in str(error):
            return None
        if _TORN not in str(error) or not _drop_torn(stack):
            raise
        text = _output(*export)
    return dict(json.loads(text or "{}").get("deployment") or {})


def resources(stack: str, *, secrets: bool = False) -> list[dict[str, Any]]:
    """Everything in the state."""
    return list((state(stack, secrets=secrets) or {}).get("resources") or [])


def _drop_torn(stack: str) -> bool:
    """Remove the empty file of attributes that a Pulumi leaves which was killed while it wrote its state into a folder; False for none."""
    folder = backend_folder()
    torn = [path for path in folder.rglob(f"{stack}.json.attrs") if not path.stat().st_size] if folder is not None else []
    for path in torn:
        print(f"note: a killed pulumi left {path} empty: removed; the state itself is whole", file=sys.stderr)
        path.unlink()
    return bool(torn)


def backend_folder() -> Path | None:
    """Return where a backend of files keeps its states and locks; None for any other backend."""
    where = urlsplit(json.loads(_output("whoami", "--json"))["url"])
    return Path(where.path) / ".pulumi" if where.scheme == "file" else None


def stacks() -> set[str]:
    """Return the names of the stacks that the backend has for this project; SettingsError where nobody is logged in."""
    return {str(each["name"]).rpartition("/")[2] for each in json.loads(_output("stack", "ls", "--json") or "[]")}


def plugins() -> list[dict[str, Any]]:
    """Return the plugins of this machine."""
    return list(json.loads(_output("plugin", "ls", "--json") or "[]"))


def credentials(resources: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Outputs of each generation of Milvus's credential that is in the state."""
    matched = [(_CREDENTIAL.search(resource["urn"]), resource) for resource in resources]
    return {int(match["generation"] or 1): resource.get("outputs") or {} for match, resource in matched if match is not None}


def plain(value: Any) -> str:  # noqa: ANN401  whatever the state holds
    """Text of an output, secret or not, of a state that was read in clear."""
    return str(json.loads(value["plaintext"])) if isinstance(value, dict) else str(value)


def configure(stack: str, key: str, value: object) -> None:
    """Set one setting of the stack."""
    _output("config", "set", "--stack", stack, "--path", f"milvus-x10000:{key}", str(value))


def preview(stack: str, *, as_json: bool = False) -> int:
    """Show what `up` would change, and return Pulumi's exit code."""
    _require_pulumi()
    command = ["pulumi", "preview", "--stack", stack, "--non-interactive", *(["--json"] if as_json else [])]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


def up(stack: str, *targets: str) -> Ended:
    """Run `pulumi up`, of everything or of `targets` only."""
    return _long("up", "--stack", stack, "--diff=false", *(part for target in targets for part in ("--target", target)))


def refresh(stack: str) -> Ended:
    """Look up again what is there: what a killed Pulumi was about to create, and what has gone since."""
    return _long("refresh", "--stack", stack, "--clear-pending-creates")


def cancel(stack: str) -> None:
    """Take away the lock of a Pulumi that is gone."""
    _output("cancel", stack, "--yes")


def _long(*arguments: str) -> Ended:
    """Run a command that must be allowed to end in order; its exit code is INTERRUPTED where it was asked to."""
    _require_pulumi()
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        with subprocess.Popen(
            ["pulumi", *arguments, *_LONG, "--event-log", str(events)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PULUMI_DEBUG_COMMANDS": "true"},  # without it the CLI does not know --event-log
            start_new_session=True,
            preexec_fn=_end_with_the_parent,  # noqa: PLW1509  one call of the C library; no thread of ours holds a lock
        ) as process:
            reader = Thread(target=_pass_on, args=(process.stderr, errors), daemon=True)
            reader.start()
            interrupted = wait(process, "pulumi", "ended at once it leaves a release half-done")
            reader.join(timeout=_LAST_WORDS_S)
        code = INTERRUPTED if interrupted else process.returncode
        return Ended(code=code, cause=_cause(events, "".join(errors)) if code else "")


def wait(process: subprocess.Popen[str], what: str, otherwise: str, ending: signal.Signals = signal.SIGINT) -> bool:
    """Wait for the end of a process of a session of its own, whatever the operator types; True where it was asked to end."""
    interrupted = False
    while True:
        try:
            process.wait()
        except KeyboardInterrupt:
            if not interrupted:
                process.send_signal(ending)
            interrupted = True
            print(f"\n{what} (process {process.pid}) is ending in order; {otherwise}", file=sys.stderr)
        else:
            return interrupted


def _pass_on(stream: IO[str], errors: list[str]) -> None:
    for line in stream:
        errors.append(line)
        sys.stderr.write(line)
        sys.stderr.flush()


def _end_with_the_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _cause(events: Path, errors: str) -> str:
    """What failed first, by Pulumi's own log of events; its standard error where it failed before there was one."""
    logged = [json.loads(line) for line in events.read_text().splitlines()] if events.is_file() else []
    failures = [event["diagnosticEvent"] for event in logged if event.get("diagnosticEvent", {}).get("severity") == "error"]
    # those of the stack itself repeat the error of a resource
    first = next((event for event in failures if "::pulumi:pulumi:Stack::" not in event.get("urn", "::pulumi:pulumi:Stack::")), None)
    first = first or next(iter(failures), {"message": errors})
    text, name = re.sub(r"\s*\n\s*", " ", _COLOUR.sub("", first["message"])).strip(), first.get("urn", "").rpartition("::")[2]
    return (f"{name}: {text}" if name else text)[:_LONGEST_CAUSE]


def _output(*arguments: str) -> str:
    """What a short command prints; SettingsError with its words where it fails."""
    _require_pulumi()
    command = ["pulumi", *arguments, "--non-interactive"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SettingsError(f"`pulumi {' '.join(arguments[:2])}` failed: {ended.stderr.strip()[-600:]}", code="pulumi.failed")
    return ended.stdout


def _require_pulumi() -> None:
    if shutil.which("pulumi") is None:
        raise SettingsError('pulumi is not on PATH; in the lab: eval "$(./rag env)"', code="pulumi.missing")
