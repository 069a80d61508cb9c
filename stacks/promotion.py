"""Promotion: what passed the gate of an environment, and whether another one, above it, may run it.

A green `./rag rollout ENV` adds what was measured to passed.ENV.yaml, beside the lock. With `promotion.passed_in` an environment runs what
passed there together, or passed its own gate before: it can be changed while those below move on. Anything else needs a reason in the
settings, for that very release, which no later one inherits. A damaged file and an image without a digest are refused in any case.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints

from stacks.images import lock, parse
from stacks.problems import Problem, failure, problem
from stacks.settings import Settings
from stacks.settings.group import Group
from stacks.wiring import milvus
from stacks.yaml_files import dump, shown, write_whole

_HEAD = "# Written by `./rag rollout {}` when its gate was green: what was measured, the newest first. Commit it; never edit it.\n"
_KEPT = 50
_BELOW = ("promotion", "passed_in")
_PLACE = {"chart": ("milvus", "chart")}  # setting that names it; of an image its own


class Pass(Group):
    """Images and a chart that passed together."""

    environment: str
    at: str  # ISO 8601, UTC
    verdict: Literal["PASS", "WARN"]
    report: str  # path, on the machine that measured
    report_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    commit: str  # of the checkout that rolled it out, "" where that is not known
    override: str  # why it was let in although it had not passed below, or further down; "" where it had
    parts: dict[str, Annotated[str, StringConstraints(pattern=r"@sha256:[0-9a-f]{12,64}$")]] = Field(min_length=2)
    """References of the images by part, and `chart`."""


def read(environment: str, beside: str) -> tuple[Path, list[Pass]]:
    """Return the file beside the lock of another with what passed in an environment, the newest first; SettingsError for a damaged one."""
    path = lock.path_of(beside).with_name(f"passed.{environment}.yaml")
    try:
        passes = [Pass(**each) for each in yaml.safe_load(path.read_text(encoding="utf-8"))] if path.is_file() else []
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise failure("promotion_damaged", file=shown(path), error=error, below=environment) from None
    return path, [each for each in passes if each.environment == environment]


def judge(settings: Settings, environment: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Return the stack's output, None where nothing has to pass below, and what is not let in; images have the lock's digests already."""
    if settings.promotion is None:
        return None, []
    below, parts = settings.promotion.passed_in, compared(settings, environment)
    (file, passes), (_, own), digests = read(below, environment), read(environment, environment), _digests(parts)
    words: dict[str, Any] = {"environment": environment, "below": below, "file": shown(file)}
    output: dict[str, Any] = {"passed_in": below, "digests": digests, "release": "", "gate_of": "", "passed": None, "override": ""}
    bare = [part for part, digest in digests.items() if not digest]
    wrong = [problem("promotion_digest", _PLACE.get(part, ("images", part)), value=parts[part], **words) for part in bare]
    wrong += [problem("promotion_itself", _BELOW, value=below)] if below == environment else []
    if wrong:
        return output, wrong
    words["release"] = output["release"] = f"r{hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:12]}"
    for each in (*passes, *own):
        if digests.items() <= _digests(each.parts).items():
            passed = each.model_dump(include={"at", "verdict", "report_sha256", "commit"})
            return output | {"gate_of": each.environment, "passed": passed, "override": each.override}, []
    if reason := settings.promotion.override.get(words["release"]):
        return output | {"override": reason}, []
    if not passes:
        return output, [problem("promotion_missing", _BELOW, value=below, **words)]
    last, words["at"] = _digests(passes[0].parts), passes[0].at
    return output, [
        problem("promotion_refused", _PLACE.get(part, ("images", part)), value=digest, passed=last.get(part, "nothing"), **words)
        for part, digest in digests.items()
        if digest != last.get(part)
    ]


def compared(settings: Settings, environment: str) -> dict[str, str]:
    """Return what must have passed below: images as the settings name them, and `chart`, with the checksum of the lock or of its files."""
    chart, pins, named = milvus.chart(settings), lock.read(environment), lock.named(settings)
    chosen = (settings.promotion.images if settings.promotion is not None else ()) or named
    is_pinned = pins is not None and (pins.chart.name, pins.chart.version) == (chart.name, chart.version)
    checksum = (pins.chart.sha256 if pins is not None and is_pinned else None) or chart.checksum
    text = f"{chart.name.rpartition('/')[2]}:{chart.version}" + (f"@sha256:{checksum}" if checksum else "")
    return {**{part: named[part] for part in chosen if part in named}, "chart": text}


def newest(settings: Settings, environment: str, below: str) -> dict[str, str]:
    """Return the images of the newest pass below that must be the same here; SettingsError where one has another tag here."""
    (file, passes), named = read(below, environment), compared(settings, environment)
    if not passes:
        raise failure("promotion_missing", path=_BELOW, value=below, file=shown(file), below=below, environment=environment)
    passed = {part: text for part, text in passes[0].parts.items() if part in named and part != "chart"}
    for part, text in passed.items():
        if parse(text).tag != parse(named[part]).tag:
            raise failure("promotion_tag", path=("images", part), value=named[part], passed=text, below=below, environment=environment)
    return passed


def record(settings: Settings, environment: str, report: Path) -> str:
    """Add what a green gate measured to the passes of its environment; return a line that says so, or why it is no use."""
    content, git, (path, older) = report.read_bytes(), shutil.which("git"), read(environment, environment)
    measured = json.loads(content)
    parts = {**measured["target"]["images"], "chart": compared(settings, environment)["chart"]}
    if bare := ", ".join(part for part, digest in _digests(parts).items() if not digest):
        return f"no pass is recorded: {bare} has no digest, and could not be promoted; ./rag pin {environment}, then again"
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip() if git else ""
    kept = {"environment": environment, "at": datetime.now(UTC).isoformat(timespec="seconds"), "verdict": measured["result"]["outcome"]}
    kept |= {"report": str(report), "report_sha256": hashlib.sha256(content).hexdigest(), "commit": commit}
    fresh = Pass(**kept, override=(judge(settings, environment)[0] or {}).get("override", ""), parts=parts)
    passes = [fresh, *(each for each in older if each.parts != parts)][:_KEPT]
    write_whole(path, _HEAD.format(environment) + dump([each.model_dump() for each in passes]))
    return f"its digests are in {shown(path)}: commit it, and environments with promotion.passed_in={environment} may run them"


def _digests(parts: Mapping[str, str]) -> dict[str, str]:
    return {part: text.partition("@")[2] for part, text in parts.items()}
