"""`./rag upgrade` on the lab's cluster and store, of a stack of its own: done, red and taken back, killed at ten moments and gone on with.

The content of its collection is compared row by row, besides what the gate says of it.
"""

import json
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml
from botocore.config import Config
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab import project
from lab.places import PKI, REPOSITORY
from tests.e2e.lab import Ended, Lab, killed_at
from tests.e2e.test_gate import profile
from tests.e2e.test_killed import LOCKED, codes, locks, note
from validation.backup.content import Line, Rows

STACK, NAMESPACE, COLLECTION = "upgraded", "rag-upgraded", "kept"
SETTINGS, SLO = REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml", REPOSITORY / "validation" / f"slo.{STACK}.yaml"
"""What makes an environment of it; there only while these tests run."""
DENIED = "milvus.extra_config.quotaAndLimits.limitReading.forceDeny=true"
"""Milvus is up and ready, and refuses every search: nothing but a gate sees that."""
DOCUMENTS = 20
NOTES = REPOSITORY / "build" / "unfinished"

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]


@dataclass(frozen=True)
class Upgraded:
    """The stack of these tests."""

    lab: Lab
    chart: Path
    """The lab's chart as version 0.2.0."""
    corpus: Path
    """A part of the sample corpus, with the questions about it."""
    backup: list[str]
    """Options of `./rag backup`."""

    @property
    def shell(self) -> dict[str, str]:
        chosen = {"PULUMI_OPTION_CONFIG_FILE": str(project.config_file(STACK)), "PULUMI_STACK": STACK}
        return {**self.lab.environment(), **chosen}

    def command(self, *words: str) -> list[str]:
        on = ["--collection", COLLECTION, "--corpus", str(self.corpus), "--tolerance", "1000", "--yes"]  # the machine may be busy
        return [sys.executable, "-m", "cli", "upgrade", STACK, *words, *on]

    def run(self, *command: str) -> Ended:
        return self.lab.run(*command, environment=self.shell)

    def cli(self, *words: str) -> Ended:
        return self.run(sys.executable, "-m", "cli", *words)

    def helm(self, *words: str) -> Any:
        return json.loads(self.run("helm", "-n", NAMESPACE, *words, "--output", "json").output)

    @property
    def installed(self) -> str:
        (release,) = self.helm("list", "--all")
        return f"{release['chart']} {release['status']}"

    def backups(self) -> list[dict[str, Any]]:
        listing = " ".join(["./rag backup", STACK, "--list --json", *self.backup, "2>/dev/null"])
        return list(json.loads(self.run("sh", "-c", listing).output))

    def lines(self) -> list[Line]:
        address = self.lab.kubectl("-n", NAMESPACE, "get", "service", "milvus")["spec"]["clusterIP"]
        with closing(MilvusClient(uri=f"http://{address}:19530", timeout=30)) as client:
            rows = Rows(client, "", COLLECTION)
            shape = rows.shape()
            return sorted((line for partition in shape.readable for line in rows.lines(shape, partition)), key=str)


@pytest.fixture(scope="module")
def upgraded(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Bring up the stack on the lab's chart, with a collection and a bucket of backups; destroy it afterwards."""
    home = tmp_path_factory.mktemp("upgrade")
    session, bucket = boto3.Session(profile_name="lab-admin"), f"e2e-upgrade-{secrets.token_hex(4)}"
    keys = session.get_credentials().get_frozen_credentials()  # type: ignore[union-attr]  # the lab has them
    (home / "access_key").write_text(str(keys.access_key))
    (home / "secret_key").write_text(str(keys.secret_key))
    address, authority = lab.environment()["AWS_ENDPOINT_URL_S3"], str(PKI / "store-ca.crt")
    style = Config(s3={"addressing_style": "path"})
    s3 = session.client("s3", endpoint_url=address, region_name="us-east-1", verify=authority, config=style)
    s3.create_bucket(Bucket=bucket)
    old, new = (shutil.copytree(REPOSITORY / "lab" / "chart" / "milvus", home / name / "milvus") for name in ("old", "new"))
    (new / "Chart.yaml").write_text((new / "Chart.yaml").read_text().replace("version: 0.1.0", "version: 0.2.0"))
    facts = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]
    facts[f"{project.PROJECT}:namespace"] = NAMESPACE
    facts[f"{project.PROJECT}:milvus"] |= {"chart": str(old)}
    project.configure(STACK, facts)
    project.select(STACK)
    SETTINGS.write_text(yaml.safe_dump({"config": facts}))
    promised = yaml.safe_load(profile(home).read_text())
    for name, objective in promised["objectives"].items():
        if name.endswith("_ms"):  # times depend on who else uses the machine
            objective |= {"limit": f"<= {10 * float(objective['limit'].removeprefix('<= '))}", "warn": None}
    SLO.write_text(yaml.safe_dump(promised, sort_keys=False))
    options = {"--endpoint": address, "--bucket": bucket, "--credential-dir": str(home), "--ca-file": authority}
    made = Upgraded(lab, new, _corpus(home), [part for pair in options.items() for part in pair])
    try:
        brought_up = made.run("pulumi", "up", "--yes", "--skip-preview", "--non-interactive")
        assert brought_up.code == 0, brought_up.output
        ingested = made.cli("ingest", STACK, str(made.corpus), "--collection", COLLECTION)
        assert ingested.code == 0, ingested.output
        yield made
    finally:
        destroyed = lab.pulumi(STACK, "destroy", "--yes", "--skip-preview", "--non-interactive")
        for path in (SETTINGS, SLO):
            path.unlink()
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        s3.delete_bucket(Bucket=bucket)
        assert destroyed.code == 0, destroyed.output
        lab.pulumi(STACK, "stack", "rm", "--yes")


def _corpus(home: Path) -> Path:
    """Copy some documents, and the questions that are about no other."""
    whole, part = REPOSITORY / "corpus", home / "corpus"
    documents = sorted(
        path for kind in ("md", "html") for path in (whole / "documents" / "en").glob(f"*.{kind}") if ".caption" not in path.name
    )
    (part / "documents" / "en").mkdir(parents=True)
    for path in documents[:DOCUMENTS]:
        shutil.copy2(path, part / "documents" / "en")
    names = {path.stem for path in documents[:DOCUMENTS]}
    questions = (whole / "questions.jsonl").read_text().splitlines(keepends=True)
    (part / "questions.jsonl").write_text("".join(line for line in questions if json.loads(line)["relevance"].keys() <= names))
    return part


@pytest.fixture(autouse=True, scope="module")
def _lab_credentials(lab: Lab) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", lab.environment()["AWS_SHARED_CREDENTIALS_FILE"])
        yield


def test_the_chart_is_upgraded_after_a_backup_and_the_collection_is_the_same(upgraded: Upgraded) -> None:
    before = upgraded.lines()
    assert before
    changes = ["--set", f"milvus.chart={upgraded.chart}"]
    plan = upgraded.cli("upgrade", STACK, *changes, "--plan")
    assert (plan.code, "  the chart\n" in plan.output) == (0, True), plan.output
    ended = upgraded.run(*upgraded.command(*changes), "--", *upgraded.backup)
    assert ended.code == 0, ended.output
    assert upgraded.installed == "milvus-0.2.0 deployed"
    assert upgraded.lines() == before
    (backup,) = upgraded.backups()
    assert (backup["label"], backup["collections"], backup["rows"]) == ("before an upgrade", [COLLECTION], len(before))


def test_a_chart_does_not_go_back(upgraded: Upgraded) -> None:
    ended = upgraded.run(*upgraded.command("--set", "milvus.chart=lab/chart/milvus"))
    assert (ended.code, "this would go back, from chart 0.2.0 to chart 0.1.0" in ended.output) == (2, True), ended.output


def test_a_change_that_turns_the_gate_red_is_taken_back_settings_release_and_state(upgraded: Upgraded) -> None:
    before, settings, values = upgraded.lines(), project.config_file(STACK).read_bytes(), upgraded.helm("get", "values", "milvus")
    ended = upgraded.run(*upgraded.command("--no-backup", "made just now", "--set", DENIED))
    assert ended.code in {1, 2, 3, 4}, ended.output
    assert "taken back" in ended.output, ended.output
    assert project.config_file(STACK).read_bytes() == settings
    assert (upgraded.installed, upgraded.helm("get", "values", "milvus")) == ("milvus-0.2.0 deployed", values)
    unchanged = upgraded.run("pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert unchanged.code == 0, unchanged.output
    assert upgraded.lines() == before
    assert "not finished" not in upgraded.cli("upgrade", STACK).output


def is_backing_up(_: Upgraded) -> bool:
    return any(f" ./rag backup {STACK}" in each.read_text() for each in NOTES.glob("[!.]*"))


def is_written(_: Upgraded) -> bool:
    return re.search(r"memory_gib: \W?3\b", project.config_file(STACK).read_text()) is not None


def is_compared(_: Upgraded) -> bool:
    return any({"validation", "compare"} <= set(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))


UNFINISHED = "command.unfinished"
UPGRADES: dict[str, tuple["str | Callable[[Upgraded], bool]", set[str]]] = {
    "the store is looked at": ("sizes: Does an object", set()),
    "the gate before": (r"(?s)gate before.*search [1-9]\d*/", set()),
    "the backup is being made": (is_backing_up, {UNFINISHED}),
    "the backup is made": ("RESULT: PASS backup", set()),
    "the settings are written": (is_written, {UNFINISHED}),
    "the state is locked": (rf"Updating \({STACK}\)", {UNFINISHED, LOCKED}),
    "Helm is at work": (lambda upgraded: upgraded.installed.endswith("pending-upgrade"), {UNFINISHED, LOCKED, "release.pending_upgrade"}),
    "Milvus is ready": ("milvus-release updated", {UNFINISHED, LOCKED}),
    "the gate after": (r"(?s)gate after.*search [1-9]\d*/", {UNFINISHED}),
    "its last record": (is_compared, {UNFINISHED}),
}
"""Each moment, and what doctor must find."""
CHANGES_FROM = list(UPGRADES).index("the settings are written")
"""Before that moment nothing was changed, and the upgrade is not under way."""


@pytest.mark.timeout(1_500)
def test_killed_at_ten_moments_the_same_command_comes_to_its_end(upgraded: Upgraded, tmp_path: Path) -> None:
    before, there = upgraded.lines(), [each["id"] for each in upgraded.backups()]
    command = [*upgraded.command("--set", "milvus.memory_gib=3"), "--", *upgraded.backup]
    printed = {}
    for number, (name, (moment, expected)) in enumerate(UPGRADES.items()):
        reached = moment if isinstance(moment, str) else partial(moment, upgraded)
        printed[name] = killed_at(reached, command, upgraded.shell, tmp_path / "said")
        doctor, is_under_way = upgraded.run("./rag", "doctor", STACK), number >= CHANGES_FROM
        note("./rag upgrade", name, doctor)
        assert (doctor.code, expected - set(codes(doctor))) == (int(bool(codes(doctor))), set()), f"{name}: {doctor.output}"
        assert (f"`./rag upgrade {STACK} " in doctor.output) == is_under_way, f"{name}: {doctor.output}"
        asked = upgraded.cli("upgrade", STACK).output
        assert ("an upgrade is not finished: the configuration" in asked) == is_under_way, f"{name}: {asked}"
    ended = upgraded.run(*command)
    assert ended.code == 0, ended.output
    assert "gate before" not in ended.output
    assert re.search(r"a\s+preflight\s+that\s+was\s+killed\s+left", printed["the gate before"]), printed["the gate before"]
    assert (upgraded.installed.endswith(" deployed"), locks(STACK)) == (True, [])
    assert upgraded.helm("get", "values", "milvus")["standalone"]["resources"]["limits"]["memory"] == "3Gi"
    assert upgraded.lines() == before
    made = [each for each in upgraded.backups() if each["id"] not in there]
    assert [(each["label"], each["rows"]) for each in made] == 2 * [("before an upgrade", len(before))], "one more for the kill after it"
    unchanged = upgraded.run("pulumi", "preview", "--non-interactive", "--expect-no-changes")
    assert unchanged.code == 0, unchanged.output
    assert "not finished" not in upgraded.cli("upgrade", STACK).output
    assert upgraded.run("./rag", "doctor", STACK).code == 0
