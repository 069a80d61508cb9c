"""Promotion: an environment runs what passed below, with a reason what did not, and nothing else."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import typer
import yaml

from stacks import commands, environments, promotion
from stacks.blueprint import build
from stacks.commands import rollout
from stacks.images import lock
from stacks.images.lock import PinnedChart, PinnedImage, Pins
from stacks.operations import pulumi_cli
from stacks.problems import SettingsError
from stacks.settings import Settings, parse
from tests import filled_in
from tests.deploy import STACK, resolved
from tests.stacks.test_settings import GOOD, configuration

NAMES = {part: f"registry.example.net/{part}:1.0" for part in GOOD["images"]}
CHART = "cd" * 32


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def settings(**promoted: Any) -> Settings:
    """Settings of an environment above `below`; without any of `promoted`, of one above nothing."""
    group = {"promotion": {"passed_in": "below", **promoted}} if promoted else {}
    return parse(configuration({**GOOD, "images": NAMES, **group}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "_FOLDER", tmp_path)
    monkeypatch.delenv("PULUMI_OPTION_CONFIG_FILE", raising=False)
    return tmp_path


def pinned(
    number: int, given: Settings, environment: str = STACK, chart: str | None = CHART, mirror: str = "mirror.example.net"
) -> Settings:
    """Pin every image of an environment to the digests of a build, as `./rag pin` does."""
    images = {
        part: PinnedImage(of=text, reference=f"{mirror}/{part}:1.0@{digest(number + place)}")
        for place, (part, text) in enumerate(lock.named(given).items())
    }
    archive = PinnedChart(name="milvus", version=given.milvus.resolved_chart_version(), sha256=chart)
    lock.write(environment, Pins(images=images, chart=archive))
    return lock.pinned(given, environment)


def passes(folder: Path, number: int, environment: str = "below", given: Settings | None = None, **pins: Any) -> Path:
    """Let a build pass the gate of an environment, and return the file."""
    ready = pinned(number, settings() if given is None else given, environment, **pins)
    report = folder / "report.json"
    report.write_text(json.dumps({"target": {"images": lock.named(ready)}, "result": {"outcome": "PASS"}}))
    assert f"passed.{environment}.yaml" in promotion.record(ready, environment, report)
    return folder / f"passed.{environment}.yaml"


def codes(given: Settings) -> list[tuple[str, str]]:
    return [(each.code, each.key.removeprefix("milvus-x10000:")) for each in promotion.judge(given, STACK)[1]]


def output(given: Settings) -> dict[str, Any]:
    found, problems = promotion.judge(given, STACK)
    assert found is not None
    assert problems == []
    return found


def test_what_passed_below_runs_here_whatever_its_mirror_is_called_and_the_output_says_by_which_report(folder: Path) -> None:
    passes(folder, 10, mirror="elsewhere.example.net/hub")
    found = output(pinned(10, settings(images=[])))
    assert (found["passed_in"], found["gate_of"], found["override"]) == ("below", "below", "")
    assert found["passed"]["report_sha256"] == hashlib.sha256((folder / "report.json").read_bytes()).hexdigest()
    assert found["digests"] == {"milvus": digest(10), "embedding": digest(11), "llm": digest(12), "chart": f"sha256:{CHART}"}


def test_a_file_says_what_passed_when_by_which_report_and_is_one_that_a_person_can_read(folder: Path) -> None:
    (written,) = yaml.safe_load(passes(folder, 10).read_text())
    assert written.keys() == {"environment", "at", "verdict", "report", "report_sha256", "commit", "override", "parts"}
    assert (written["environment"], written["verdict"], written["report"]) == ("below", "PASS", str(folder / "report.json"))
    assert written["parts"]["llm"] == f"mirror.example.net/llm:1.0@{digest(12)}"
    assert written["parts"]["chart"] == f"milvus:{settings().milvus.resolved_chart_version()}@sha256:{CHART}"


def test_another_digest_of_one_image_is_refused_with_what_passed_and_what_to_type(folder: Path) -> None:
    passes(folder, 10)
    (folder / f"images.{STACK}.lock").unlink(missing_ok=True)
    given = pinned(10, settings(images=["llm"]))
    assert codes(given) == []
    newer = pinned(20, settings(images=["llm"]))
    (problem,) = promotion.judge(newer, STACK)[1]
    release = promotion.judge(newer, STACK)[0]["release"]  # type: ignore[index]  # there is one
    assert (problem.code, problem.key, problem.value) == ("promotion.refused", "milvus-x10000:images.llm", digest(22))
    assert "mirror.example.net" not in problem.wrong
    assert digest(12) in problem.wrong
    for typed in (f"./rag pin {STACK} --from below", f"./rag rollout {STACK} --override", f"promotion.override.{release} "):
        assert typed in problem.cure


def other_digests(folder: Path) -> Settings:
    passes(folder, 10)
    return pinned(20, settings(images=[]))


def no_file(_: Path) -> Settings:
    return pinned(10, settings(images=[]))


def a_copied_file(folder: Path) -> Settings:
    passes(folder, 10, "elsewhere").rename(folder / "passed.below.yaml")
    return pinned(10, settings(images=[]))


def another_chart(folder: Path) -> Settings:
    passes(folder, 10)
    return pinned(10, settings(images=[]), chart="ef" * 32)


def a_part_that_was_not_there(folder: Path) -> Settings:
    path = passes(folder, 10)
    written = yaml.safe_load(path.read_text())
    del written[0]["parts"]["llm"]
    path.write_text(yaml.safe_dump(written))
    return pinned(10, settings(images=[]))


def digests_of_two_passes(folder: Path) -> Settings:
    passes(folder, 10)
    passes(folder, 11)  # its Milvus is the other's embedding model, and so on
    given = pinned(10, settings(images=["milvus", "embedding"]))
    images = given.images.model_copy(update={"embedding": f"a.example.net/b:1@{digest(12)}"})
    return given.model_copy(update={"images": images})


def no_digest(folder: Path) -> Settings:
    passes(folder, 10)
    return settings(images=["llm"])


def itself(_: Path) -> Settings:
    return pinned(10, settings(passed_in=STACK))


@pytest.mark.parametrize(
    ("prepare", "refused"),
    [
        (other_digests, [("promotion.refused", key) for key in ("images.milvus", "images.embedding", "images.llm")]),
        (no_file, [("promotion.missing", "promotion.passed_in")]),
        (a_copied_file, [("promotion.missing", "promotion.passed_in")]),
        (another_chart, [("promotion.refused", "milvus.chart")]),
        (a_part_that_was_not_there, [("promotion.refused", "images.llm")]),
        (digests_of_two_passes, [("promotion.refused", "images.milvus")]),
        (no_digest, [("promotion.digest", "images.llm"), ("promotion.digest", "milvus.chart")]),
        (itself, [("promotion.itself", "promotion.passed_in")]),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_what_did_not_pass_below_as_one_is_refused(
    prepare: Callable[[Path], Settings], refused: list[tuple[str, str]], folder: Path
) -> None:
    assert codes(prepare(folder)) == refused


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "[{environment: below}]", "[{environment: below, at: 1, parts: {}}]", "\x00"])
@pytest.mark.parametrize("whose", ["below", STACK])
def test_a_damaged_file_is_refused_with_or_without_a_reason(text: str, whose: str, folder: Path) -> None:
    given = pinned(10, settings(override={"r0123456789ab": "INC-17: dev is down"}))
    (folder / f"passed.{whose}.yaml").write_text(text)
    with pytest.raises(SettingsError, match=f"./rag rollout {whose}") as refused:
        promotion.judge(given, STACK)
    assert refused.value.code == "promotion.damaged"


def test_an_edited_digest_that_is_none_is_damage(folder: Path) -> None:
    path = passes(folder, 10)
    path.write_text(path.read_text().replace(digest(12), "sha256:latest"))
    with pytest.raises(SettingsError) as refused:
        promotion.judge(pinned(10, settings(images=[])), STACK)
    assert refused.value.code == "promotion.damaged"


def test_an_environment_can_be_changed_while_the_one_below_moves_on(folder: Path) -> None:
    passes(folder, 10)
    passes(folder, 20)
    assert output(pinned(10, settings(images=[])))["gate_of"] == "below"
    (folder / "passed.below.yaml").unlink()
    given = settings(override={output_release(30): "INC-17: dev is down"})
    passes(folder, 30, STACK, given)
    assert output(pinned(30, settings(images=[])))["gate_of"] == STACK


def output_release(number: int) -> str:
    found = promotion.judge(pinned(number, settings(images=[])), STACK)[0]
    assert found is not None
    return str(found["release"])


def test_a_reason_lets_in_one_release_and_no_later_one_and_is_told_as_long_as_that_runs_here_and_above(folder: Path) -> None:
    why = "INC-17: dev is down"
    reasons = {output_release(10): why}
    assert output(pinned(10, settings(override=reasons)))["override"] == why
    assert codes(pinned(20, settings(override=reasons))) == [("promotion.missing", "promotion.passed_in")]
    passes(folder, 10, STACK, settings(override=reasons))
    assert output(pinned(10, settings(images=[])))["override"] == why
    own = folder / f"passed.{STACK}.yaml"
    (folder / "passed.below.yaml").write_text(own.read_text().replace(f"environment: {STACK}", "environment: below"))
    own.unlink()
    assert output(pinned(10, settings(images=[])))["override"] == why


def test_without_a_file_below_a_reason_is_enough(folder: Path) -> None:
    assert folder.is_dir()
    assert output(pinned(10, settings(override={output_release(10): "first one of all"})))["gate_of"] == ""


@pytest.mark.parametrize("why", ["17", "true", "--yes please", "urgent", "a b\x07", "ends with a space "])
def test_what_is_no_reason_is_none_in_the_settings_either(why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(override={"r0123456789ab": why})
    assert refused.value.problems[0].key.startswith("milvus-x10000:promotion.override")


@pytest.mark.parametrize("key", ["milvus", "0123456789ab", "sha256:12", "r0123456789abcdef"])
def test_a_reason_for_what_is_no_release_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=r"promotion\.override"):
        settings(override={key: "INC-17: dev is down"})


def test_where_nothing_has_to_pass_the_output_is_none(folder: Path) -> None:
    assert folder.is_dir()
    assert resolved(lambda: build(settings()))["promotion"] is None


def test_the_stack_exports_digests_report_and_reason_and_every_run_tells_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: told.append(text))
    passes(folder, 10)
    exported = resolved(lambda: build(pinned(10, settings(images=[]))))["promotion"]
    assert exported["passed"]["report_sha256"] == hashlib.sha256((folder / "report.json").read_bytes()).hexdigest()
    assert exported["digests"]["milvus"] == digest(10)
    assert not [text for text in told if "override" in text]
    release = output_release(20)
    given = settings(override={release: "INC-17: dev is down"})
    exported = resolved(lambda: build(pinned(20, given)))["promotion"]
    assert (exported["override"], exported["passed"]) == ("INC-17: dev is down", None)
    assert [text for text in told if release in text and "INC-17: dev is down" in text]


@pytest.fixture
def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of `dev`, filled in, above `below`; the file is where Pulumi is told that it is."""
    config = filled_in.configuration("dev", folder) | {"milvus-x10000:promotion": {"passed_in": "below", "images": ["milvus"]}}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(folder / "Pulumi.dev.yaml"))
    monkeypatch.setenv("PULUMI_STACK", "dev")
    pinned(10, environments.load("dev").settings, "dev")
    return {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in config.items()}


def test_pulumi_up_alone_refuses_it_and_so_does_every_command_that_changes_something(configured: dict[str, Any], folder: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        environments.of_program("dev", configured)
    assert [each.code for each in refused.value.problems] == ["promotion.missing"]
    for step in ("up", "rollout"):
        with pytest.raises(SettingsError) as refused:
            environments.load("dev", step=step)
        assert (refused.value.code, refused.value.problems[0].line is not None) == ("promotion.missing", True)
    assert environments.load("dev", step="pin").settings.promotion is not None
    passes(folder, 10, given=environments.load("dev").settings.model_copy(update={"promotion": None}))
    assert environments.of_program("dev", configured).images.milvus.endswith(digest(10))
    assert environments.load("dev", step="rollout").placeholders == []


def test_one_wrong_lock_is_one_problem(configured: dict[str, Any], folder: Path) -> None:
    (folder / "images.dev.lock").write_text("- 1")
    with pytest.raises(SettingsError) as refused:
        environments.of_program("dev", configured)
    assert [each.code for each in refused.value.problems] == ["settings.lock"]


def test_a_chart_in_a_folder_is_compared_by_its_files(folder: Path) -> None:
    chart = shutil.copytree("lab/chart/milvus", folder / "milvus")
    own = {"milvus": {"chart": str(chart), "etcd": "embedded", "wal": "rocksmq"}}
    above, below = (parse(configuration({**GOOD, "images": NAMES, **own, **more})) for more in ({"promotion": {"passed_in": "below"}}, {}))
    passes(folder, 10, given=below, chart=None)
    assert codes(pinned(10, above, chart=None)) == []
    (chart / "values.yaml").write_text("edited: true\n")
    assert codes(pinned(10, above, chart=None)) == [("promotion.refused", "milvus.chart")]


def test_the_checksum_of_a_lock_for_another_version_of_the_chart_counts_for_nothing(folder: Path) -> None:
    passes(folder, 10)
    given = pinned(10, settings(images=[]))
    path = folder / f"images.{STACK}.lock"
    path.write_text(path.read_text().replace(f"version: {given.milvus.resolved_chart_version()}", "version: 5.0.9"))
    assert codes(given) == [("promotion.digest", "milvus.chart")]


def test_a_run_without_digests_is_no_pass_and_says_why(folder: Path) -> None:
    report = folder / "report.json"
    report.write_text(json.dumps({"target": {"images": NAMES}, "result": {"outcome": "PASS"}}))
    assert "./rag pin below" in promotion.record(settings(), "below", report)
    assert not (folder / "passed.below.yaml").exists()


def test_a_set_that_passed_again_is_listed_once_and_the_newest_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "_KEPT", 4)
    for number in (10, 20, 30, 30, 40, 50):
        passes(folder, number)
    milvus = [each.parts["milvus"].partition("@")[2] for each in promotion.read("below", STACK)[1]]
    assert milvus == [digest(50), digest(40), digest(30), digest(20)]


def test_a_pin_from_below_takes_what_passed_last_of_what_has_to_be_the_same(folder: Path) -> None:
    passes(folder, 10)
    assert promotion.newest(settings(images=["llm"]), STACK, "below") == {"llm": f"mirror.example.net/llm:1.0@{digest(12)}"}
    assert promotion.newest(settings(), STACK, "below").keys() == {"milvus", "embedding", "llm"}


def test_a_pin_from_below_never_gives_one_version_the_digest_of_another(folder: Path) -> None:
    passes(folder, 10)
    newer = settings().model_copy(update={"images": settings().images.model_copy(update={"llm": "registry.example.net/llm:2.0"})})
    with pytest.raises(SettingsError) as refused:
        promotion.newest(newer, STACK, "below")
    assert (refused.value.code, refused.value.problems[0].key) == ("promotion.tag", "milvus-x10000:images.llm")


def test_a_pin_from_where_nothing_passed_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        promotion.newest(settings(), STACK, "below")
    assert refused.value.code == "promotion.missing"


@pytest.fixture
def kept(configured: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Reasons that `rollout --override` wrote into the settings of `dev`; it ends where it would look at the cluster."""
    assert configured
    written: list[tuple[str, str]] = []

    def reach(*_: str) -> None:
        raise typer.Exit(99)

    monkeypatch.setattr(pulumi_cli, "configure", lambda _, key, value: written.append((key, value)))
    monkeypatch.setattr(rollout, "reach", reach)
    return written


def roll_out(why: str) -> None:
    with pytest.raises(typer.Exit):
        rollout.rollout("dev", override=why)


def test_a_rollout_keeps_the_reason_in_the_settings_under_the_release_that_it_lets_in(kept: list[tuple[str, str]]) -> None:
    roll_out("INC-17: dev is down")
    found = promotion.judge(commands.select("dev").settings, "dev")[0]
    assert found is not None
    assert kept == [(f"promotion.override.{found['release']}", "INC-17: dev is down")]


def test_a_reason_that_is_not_needed_or_for_an_image_without_digest_is_not_kept(kept: list[tuple[str, str]], folder: Path) -> None:
    passes(folder, 10, given=environments.load("dev").settings.model_copy(update={"promotion": None}))
    roll_out("INC-17: dev is down")
    (folder / "images.dev.lock").unlink()
    roll_out("INC-17: dev is down")
    assert kept == []


@pytest.mark.parametrize(("why", "code"), [("17", "promotion.reason"), ("--yes", "promotion.reason")])
def test_a_rollout_refuses_what_is_no_reason_before_it_is_kept(why: str, code: str, kept: list[tuple[str, str]]) -> None:
    with pytest.raises(SettingsError) as refused:
        rollout.rollout("dev", override=why)
    assert (refused.value.code, kept) == (code, [])


def test_a_reason_where_nothing_has_to_pass_is_a_mistake(kept: list[tuple[str, str]], folder: Path) -> None:
    file = folder / "Pulumi.dev.yaml"
    config = yaml.safe_load(file.read_text())["config"]
    del config["milvus-x10000:promotion"]
    file.write_text(yaml.safe_dump({"config": config}))
    with pytest.raises(SettingsError) as refused:
        rollout.rollout("dev", override="INC-17: dev is down")
    assert (refused.value.code, kept) == ("promotion.unset", [])
