"""The order of an upgrade, where it stops, what is taken back, and how it goes on; the parts that it calls are the test's."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from stacks import environments
from stacks.commands import images
from stacks.images import lock
from stacks.operations import cluster, helm, pod_watch, pulumi_cli, steps
from stacks.operations.helm import Revision
from stacks.operations.pulumi_cli import INTERRUPTED, Ended
from stacks.problems import SettingsError, UnansweredError
from tests.filled_in import configuration

RUNNING = ("registry.corp.internal/milvusdb/milvus:v2.6.21", "5.0.25")
ON = ("--collection", "handbook", "--no-backup", "a test", "--yes")
ALL = ["look first", "preflight", "gate before", "configure", "up", "gate after", "compare"]
TAKEN_BACK = ["roll back to 3", "up"]
Command = Callable[..., tuple[int, str, str]]


class Killed(BaseException):
    """The process ends at once."""


@dataclass
class Parts:
    """What the command calls, in order; codes are the test's."""

    settings: Path
    calls: list[str] = field(default_factory=list)
    codes: dict[str, list[int]] = field(default_factory=dict)
    """What a call ends with, each time it is made; 0 afterwards."""
    dies_at: str = ""
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    revision: int = 3

    def did(self, name: str, *options: str) -> int:
        self.calls.append(name)
        self.options[name] = options
        if name == self.dies_at:
            raise Killed
        codes = self.codes.get(name, [])
        return codes.pop(0) if codes else 0

    def validation(self, *words: str) -> int:
        name = words[0]
        if name == "run":
            name = "gate " + words[words.index("--label") + 1].partition(":")[0]
        return self.did(name, *words[1:])

    def configure(self, _: str, key: str, value: object) -> None:
        file = yaml.safe_load(self.settings.read_text())
        environments.change(file["config"], f"milvus-x10000:{key}={value}")
        self.settings.write_text(yaml.safe_dump(file))
        self.did("configure", f"{key}={value}")

    def up(self, *_: str) -> Ended:
        self.revision += 1
        return Ended(code=self.did("up"), cause="milvus-release: no")

    def roll_back(self, _name: str, _space: str, revision: int) -> None:
        self.did(f"roll back to {revision}")

    def history(self, *_: str) -> list[Revision]:
        return [Revision(number=self.revision, status="deployed", updated=datetime.now(UTC), description="")] if self.revision else []


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    settings = tmp_path / "Pulumi.t.yaml"
    settings.write_text("# ours\n" + yaml.safe_dump({"config": configuration("dev", tmp_path)}))
    (tmp_path / "slo.t.yaml").write_text("")
    made = Parts(settings)
    replaced: list[tuple[Any, str, Any]] = [
        (environments, "_FOLDER", tmp_path),
        (environments, "_SLO", tmp_path),
        (lock, "_FOLDER", tmp_path),
        (cluster, "show", lambda *_: None),
        (helm, "installed", lambda *_: RUNNING),
        (helm, "history", made.history),
        (helm, "roll_back", made.roll_back),
        (steps, "validation", made.validation),
        (steps, "preflight", lambda *_: made.did("preflight")),
        (steps, "mend", lambda *_, **__: made.did("look first")),
        (steps, "collections", lambda _: ([{"name": "handbook", "state": "Loaded"}], "")),
        (pulumi_cli, "configure", made.configure),
        (pulumi_cli, "up", made.up),
        (pod_watch, "watching", lambda *_: nullcontext(SimpleNamespace(troubles=[]))),
        (images, "pin", lambda *_, **__: made.did("pin")),
    ]
    for owner, name, replacement in replaced:
        monkeypatch.setattr(owner, name, replacement)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rag", "upgrade", "t", "--to", "2.6.22", *ON])
    return made


def image(parts: Parts) -> str:
    return str(yaml.safe_load(parts.settings.read_text())["config"]["milvus-x10000:images"]["milvus"])


def is_over(parts: Parts) -> bool:
    return not list((parts.settings.parent / "build" / "unfinished").glob("*"))


def refused(command: Command, *words: str) -> str:
    with pytest.raises(SettingsError) as error:
        command("upgrade", "t", *words)
    return error.value.code


def test_without_options_it_prints_where_it_is_and_what_lies_ahead_and_touches_nothing(parts: Parts, command: Command) -> None:
    code, printed, _ = command("upgrade", "t")
    assert code == 0
    assert "by its Helm release t runs registry.corp.internal/milvusdb/milvus:v2.6.21 with chart 5.0.25" in printed
    assert "Milvus 2.6 to 3.0 (newest known: 3.0.1)" in printed
    assert "cannot be undone: what 3.0 wrote" in printed
    assert parts.calls == []


def test_a_plan_names_the_change_of_the_settings_and_touches_nothing(parts: Parts, command: Command) -> None:
    before = parts.settings.read_text()
    code, printed, _ = command("upgrade", "t", "--to", "3.0.1", "--plan", *ON)
    assert code == 0
    assert "set: images.milvus=registry.corp.internal/milvusdb/milvus:v3.0.1" in printed
    assert "not run here" in printed
    assert (parts.calls, parts.settings.read_text()) == ([], before)


def test_settings_that_ask_for_another_version_already_are_the_plan(parts: Parts, command: Command) -> None:
    parts.settings.write_text(parts.settings.read_text().replace("v2.6.21", "v2.6.22"))
    assert "within one minor version" in command("upgrade", "t")[1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--to", "2.6.22"), "upgrade.collection"),
        (("--to", "2.7.0", *ON), "upgrade.unknown"),
        (("--to", "newest", *ON), "upgrade.unknown"),
        (("--to", "2.6.20", *ON), "upgrade.back"),
        (("--set", "images.milvus=milvus:v2.5.27", *ON), "settings.conflict"),
        (("--chart-version", "5.0.24", *ON), "upgrade.back"),
        (("--to", "3.0.1", "--chart-version", "5.0.27", *ON), "upgrade.chart"),
        (("--set", "milvus.memory=1", *ON), "settings.unknown"),
        (("--set", "milvus", *ON), "init.set"),
        (("--back",), "upgrade.none"),
        (("2.6.22", *ON), "upgrade.usage"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_touched(
    parts: Parts, command: Command, words: tuple[str, ...], code: str
) -> None:
    before = parts.settings.read_text()
    assert refused(command, *words) == code
    assert (parts.calls, parts.settings.read_text()) == ([], before)


def test_without_a_release_there_is_nothing_to_upgrade(parts: Parts, command: Command) -> None:
    parts.revision = 0
    assert refused(command) == "upgrade.nothing"


def test_nobody_who_agrees_is_1_and_nothing_is_touched(parts: Parts, command: Command) -> None:
    assert command("upgrade", "t", "--to", "2.6.22", *ON[:-1])[0] == 1
    assert parts.calls == []


def test_all_in_order_and_both_gates_on_the_same_collection(parts: Parts, command: Command) -> None:
    code, printed, _ = command("upgrade", "t", "--to", "2.6.22", "--corpus", "mine", *ON)
    assert (code, parts.calls) == (0, ALL), printed
    assert image(parts).endswith("milvus:v2.6.22")
    both = [parts.options[f"gate {when}"] for when in ("before", "after")]
    assert all(options[:5] == ("t", "--corpus", "mine", "--collection", "handbook") for options in both)
    assert parts.options["compare"][:2] == tuple(options[-1] for options in both)
    assert all("no backup: a test" in options[6] for options in both)
    assert is_over(parts)


def test_a_backup_is_made_of_every_collection_with_the_options_that_stand_behind(parts: Parts, command: Command) -> None:
    assert command("upgrade", "t", "--to", "2.6.22", *ON[:2], "--yes", "--", "--bucket", "b")[0] == 0
    assert parts.calls == [*ALL[:3], "backup", *ALL[3:]]
    assert parts.options["backup"] == ("t", "--label", "before an upgrade", "--bucket", "b")


def test_without_a_collection_the_reason_is_recorded(parts: Parts, command: Command) -> None:
    code, printed, _ = command("upgrade", "t", "--to", "2.6.22", "--no-collection", "empty so far", "--no-backup", "empty", "--yes")
    assert (code, parts.calls) == (0, ALL)
    assert "gate before, on the sample corpus" in printed
    assert "--collection" not in parts.options["gate before"]
    assert "no collection: empty so far; no backup: empty" in parts.options["gate after"][4]


@pytest.mark.parametrize("name", ["preflight", "gate before", "backup"])
@pytest.mark.parametrize("code", [1, 2, 4, INTERRUPTED])
def test_what_is_red_before_stops_with_its_code_and_nothing_is_changed(parts: Parts, command: Command, name: str, code: int) -> None:
    before, parts.codes = parts.settings.read_text(), {name: [code]}
    assert command("upgrade", "t", "--to", "2.6.22", *ON[:2], "--yes")[0] == code
    assert parts.calls[-1] == name
    assert parts.settings.read_text() == before


def test_a_measurement_that_proves_nothing_is_made_once_more(parts: Parts, command: Command) -> None:
    parts.codes = {"gate before": [3], "gate after": [3]}
    assert command("upgrade", "t", "--to", "2.6.22", *ON)[0] == 0
    assert parts.calls == [*ALL[:3], *ALL[2:6], *ALL[5:]]


@pytest.mark.parametrize(
    ("codes", "ends"),
    [
        ({"gate after": [1]}, 1),
        ({"gate after": [2]}, 2),
        ({"gate after": [3, 3]}, 3),
        ({"gate after": [4]}, 4),
        ({"compare": [1]}, 1),
        ({"compare": [3]}, 1),
        ({"up": [255]}, 4),
    ],
)
def test_what_is_red_afterwards_is_taken_back_settings_and_release(
    parts: Parts, command: Command, codes: dict[str, list[int]], ends: int
) -> None:
    before, parts.codes = parts.settings.read_text(), codes
    code, printed, _ = command("upgrade", "t", "--to", "2.6.22", *ON)
    assert code == ends, printed
    assert parts.calls[-2:] == TAKEN_BACK
    assert parts.settings.read_text() == before
    assert is_over(parts)


def test_what_cannot_be_undone_stops_and_says_what_to_restore(parts: Parts, command: Command) -> None:
    parts.codes = {"gate after": [1, 1]}
    for _ in range(2):  # typed again it measures again, and is red again
        code, printed, _err = command("upgrade", "t", "--to", "3.0.1", *ON)
        assert code == 1
        assert parts.calls[-1] == "gate after"
        assert "cannot be taken back: what 3.0 wrote" in printed
    assert image(parts).endswith("milvus:v3.0.1")
    code, printed, _err = command("upgrade", "t", "--back", "--yes")
    assert (code, "cannot be taken back" in printed) == (1, True)
    assert command("upgrade", "t", "--to", "3.0.1", *ON)[0] == 0


def test_what_failed_before_the_release_was_touched_is_taken_back_even_where_it_could_not_be_undone(
    parts: Parts, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi_cli, "up", lambda *_: Ended(code=parts.did("up") or 255, cause="bucket: no"))
    before = parts.settings.read_text()
    assert command("upgrade", "t", "--to", "3.0.1", *ON)[0] == 4
    assert (parts.calls[-1], parts.settings.read_text(), is_over(parts)) == ("up", before, True)


def test_settings_that_were_changed_by_hand_are_not_put_back_and_that_is_said(parts: Parts, command: Command) -> None:
    parts.settings.write_text(parts.settings.read_text().replace("v2.6.21", "v2.6.22"))
    parts.codes = {"gate after": [1]}
    code, printed, _ = command("upgrade", "t", *ON)
    assert (code, parts.calls[-2:]) == (1, ["gate after", "roll back to 3"])
    assert "settings still ask for it" in printed


@pytest.mark.parametrize("version", ["2.6.22", "3.0.1"])
def test_a_pin_that_fails_puts_the_settings_back(parts: Parts, command: Command, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    def pin(*_: str, **__: str) -> None:
        raise UnansweredError("no registry")

    monkeypatch.setattr(images, "pin", pin)
    text = yaml.safe_load(parts.settings.read_text())["config"]["milvus-x10000:images"]
    pins = {name: {"of": of, "reference": f"{of}@sha256:{'0' * 64}"} for name, of in text.items()}
    lock.path_of("t").write_text(yaml.safe_dump({**pins, "chart": {"name": "milvus", "version": "5.0.25", "sha256": None}}))
    before = parts.settings.read_text()
    code, printed, _ = command("upgrade", "t", "--to", version, *ON)
    assert (code, "no registry" in printed) == (4, True)
    assert (parts.calls, parts.settings.read_text(), is_over(parts)) == (ALL[:4], before, True)


@pytest.mark.parametrize("moment", ["look first", "preflight", "gate before", "configure", "up", "gate after", "compare"])
def test_killed_at_any_moment_the_same_command_comes_to_its_end(parts: Parts, command: Command, moment: str) -> None:
    before, parts.dies_at = parts.settings.read_text(), moment
    with pytest.raises(Killed):
        command("upgrade", "t", "--to", "2.6.22", *ON)
    assert (parts.settings.read_text() == before) == (moment in ALL[:3])
    parts.dies_at, parts.calls = "", []
    code, printed, _ = command("upgrade", "t", "--to", "2.6.22", *ON)
    assert code == 0, printed
    assert parts.calls == (ALL if moment in ALL[:3] else [ALL[0], *ALL[3:]])
    assert image(parts).endswith("v2.6.22")


@pytest.mark.parametrize("moment", ["configure", "up", "gate after"])
def test_killed_in_the_middle_it_is_taken_back_when_that_is_asked_for(parts: Parts, command: Command, moment: str) -> None:
    before, parts.dies_at = parts.settings.read_text(), moment
    with pytest.raises(Killed):
        command("upgrade", "t", "--to", "2.6.22", *ON)
    parts.dies_at = ""
    assert "an upgrade is not finished" in command("upgrade", "t")[1]
    assert refused(command, "--to", "3.0.1", *ON) == "upgrade.unfinished"
    assert command("upgrade", "t", "--back", "--yes")[0] == 0
    assert parts.settings.read_text() == before
    assert ("roll back to 3" in parts.calls) == (moment != "configure")


@pytest.mark.parametrize("name", ["up", "gate after"])
def test_interrupted_it_says_how_it_goes_on_and_takes_nothing_back(parts: Parts, command: Command, name: str) -> None:
    parts.codes = {name: [INTERRUPTED]}
    code, printed, _ = command("upgrade", "t", "--to", "2.6.22", *ON)
    assert (code, parts.calls[-1]) == (INTERRUPTED, name)
    assert "the same command goes on: ./rag upgrade t --to 2.6.22 --collection handbook --no-backup 'a test' --yes" in printed
    assert command("upgrade", "t", "--to", "2.6.22", *ON)[0] == 0
