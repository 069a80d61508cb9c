"""The Pulumi CLI as the commands need it: the state, credentials in it, one setting, one `up`, whose output stays on the terminal."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stacks.problems import SettingsError

_TORN = "failed to load checkpoint: EOF"
_CREDENTIAL = re.compile(r"::milvus-store-credential(?:-(?P<generation>\d+))?$")


def resources(stack: str, *, secrets: bool = False) -> list[dict[str, Any]]:
    """Everything in the state; with `secrets` in clear, for this process alone."""
    export = ["stack", "export", "--stack", stack, *(["--show-secrets"] if secrets else [])]
    try:
        said = _said(*export)
    except SettingsError as error:
        if _TORN not in str(error) or not _drop_torn(stack):
            raise
        said = _said(*export)
    deployment = json.loads(said or "{}").get("deployment") or {}
    found: list[dict[str, Any]] = deployment.get("resources") or []
    return found


def _drop_torn(stack: str) -> bool:
    """Remove the empty file of attributes that a Pulumi leaves which was killed while it wrote its state into a folder; False for none."""
    where = urlsplit(json.loads(_said("whoami", "--json"))["url"])
    folder = Path(where.path) / ".pulumi" / "stacks"
    torn = [path for path in folder.rglob(f"{stack}.json.attrs") if not path.stat().st_size] if where.scheme == "file" else []
    for path in torn:
        print(f"note: a killed pulumi left {path} empty: removed; the state itself is whole", file=sys.stderr)
        path.unlink()
    return bool(torn)


def credentials(found: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Outputs of each generation of Milvus's credential that is in the state."""
    matched = [(_CREDENTIAL.search(one["urn"]), one) for one in found]
    return {int(match["generation"] or 1): one.get("outputs") or {} for match, one in matched if match is not None}


def plain(value: Any) -> str:  # noqa: ANN401  whatever the state holds
    """Text of an output, secret or not, of a state that was read in clear."""
    return str(json.loads(value["plaintext"])) if isinstance(value, dict) else str(value)


def configure(stack: str, key: str, value: object) -> None:
    """Set one setting of the stack."""
    _said("config", "set", "--stack", stack, "--path", f"milvus-x10000:{key}", str(value))


def up(stack: str, *targets: str) -> int:
    """Run `pulumi up`, of everything or of `targets` only; its exit code."""
    chosen = [part for target in targets for part in ("--target", target)]
    command = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", "--suppress-permalink", "--diff=false"]
    return subprocess.run([*command, *chosen], stdin=subprocess.DEVNULL, check=False).returncode


def _said(*arguments: str) -> str:
    try:
        ended = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise SettingsError('pulumi is not on PATH; in the lab: eval "$(make -s env)"') from None
    if ended.returncode:
        raise SettingsError(f"`pulumi {' '.join(arguments[:2])}` failed: {ended.stderr.strip()[-600:]}")
    return ended.stdout
