"""Upgrades: which step is next, what cannot be undone, and the record of one that is under way.

What is known of each step stands in components/milvus_upgrades.yaml, with its source. Refused: an unknown version, a way back, two minor
versions at a time. The record lies with the other notes of what is not finished, where `./rag doctor` finds it.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.milvus_foundation import UPGRADES, numbers
from stacks.operations.leftovers import UNFINISHED
from stacks.problems import failure
from stacks.settings.milvus.refusals import version
from stacks.yaml_files import write_whole

Row = Mapping[str, Any]


def plan(running: tuple[str, str], wanted: tuple[str, str]) -> list[Row]:
    """Return what changes, of image and chart version, with what is known of it; SettingsError for what is not one step."""
    (_, old), (_, new) = running, wanted
    rows = [_step(running[0], wanted[0])] if version(running[0]) != version(wanted[0]) else []
    if numbers(new) < numbers(old):
        raise failure("upgrade_back", old=f"chart {old}", new=f"chart {new}")
    if new != old:
        rows.append(UPGRADES["chart"])
        if rows[0].get("chart") == "stays":
            raise failure("upgrade_chart", image=wanted[0], chart=old)
    return rows or [UPGRADES["configuration"]]


def ahead(image: str) -> list[Row]:
    """Return the steps that lie ahead of a version, one minor version each."""
    return [row for row in UPGRADES["ahead"] if numbers(row["minor"]) > (version(image) or ())[:2]]


def _step(old: str, new: str) -> Row:
    known = [UPGRADES["first"], *(row["minor"] for row in UPGRADES["ahead"])]
    before, after = version(old) or (), version(new) or ()
    if not {before[:2], after[:2]} <= set(map(numbers, known)):
        raise failure("upgrade_unknown", old=old, new=new, known=", ".join(known))
    if after < before:
        raise failure("upgrade_back", old=old, new=new)
    row: Row = UPGRADES["patch"] if after[:2] == before[:2] else ahead(old)[0]
    is_late = before < numbers(row.get("least", "0.0"))
    if is_late or numbers(row.get("minor", "")) not in {(), after[:2]}:
        raise failure("upgrade_skips", old=old, new=new, next=row["least"] if is_late else row["newest"])
    return row


def described(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a plan."""
    for row in rows:
        yield "  " + row["what"] + (f" (newest known: {row['newest']})" if "newest" in row else "")
        yield from (f"      {label}: {text}" for label, text in row["says"].items())


@dataclass(kw_only=True)
class Upgrade:
    """One upgrade, and its note while it is under way. No key is in it."""

    environment: str
    command: str  # what was typed, and is typed again to go on
    changes: list[str]  # of settings, KEY=VALUE
    collection: str  # that both gates judge
    corpus: str
    what: str = ""
    undone: str = ""  # what of it cannot be undone
    revision: int = 0  # of the release before
    files: dict[str, list[str | None]] = field(default_factory=dict)
    """Of settings: as they were, None for none, and as the change left them."""
    reports: list[str] = field(default_factory=list)  # of the gate before and after

    @property
    def note(self) -> Path:
        """Where it is noted while it is under way."""
        return UNFINISHED / f"upgrade-{self.environment}"

    def keep(self, *paths: Path) -> None:
        """Note files of settings: as they were at the first call, as the change left them at the next."""
        now = {str(path): path.read_text(encoding="utf-8") if path.is_file() else None for path in paths}
        self.files = {name: [self.files[name][0], text] if self.files else [text, None] for name, text in now.items()}
        write_whole(self.note, f"{os.getpid()} {self.command}\n{json.dumps(asdict(self))}\n")

    def put_back(self) -> None:
        """Write the files as they were, byte for byte; SettingsError where somebody changed one since."""
        now = {name: Path(name).read_text(encoding="utf-8") for name in self.files if Path(name).is_file()}
        if edited := [name for name, kept in self.files.items() if kept[1] is not None and now.get(name) not in kept]:
            raise failure("upgrade_edited", file=edited[0], changes=", ".join(self.changes), environment=self.environment)
        for name, (before, _) in self.files.items():
            Path(name).unlink(missing_ok=True) if before is None else write_whole(Path(name), before)


def read(environment: str) -> Upgrade | None:
    """Return the upgrade that is under way on this machine."""
    note = UNFINISHED / f"upgrade-{environment}"
    return Upgrade(**json.loads(note.read_text(encoding="utf-8").partition("\n")[2])) if note.is_file() else None
