"""`./rag upgrade` on the lab's cluster and store, of a stack of its own: done, red and taken back, killed and gone on with.

The content of its collection is compared row by row, besides what the gate says of it.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus has no types

from lab import project
from lab.places import PKI, REPOSITORY
from tests.e2e.lab import Ended, Lab
from tests.e2e.test_gate import profile
from validation.backup.content import Line, Rows

STACK, NAMESPACE, COLLECTION = "upgraded", "rag-upgraded", "kept"
SETTINGS, SLO = REPOSITORY / "stacks" / f"Pulumi.{STACK}.yaml", REPOSITORY / "validation" / f"slo.{STACK}.yaml"
"""What makes an environment of it; there only while these tests run."""
DENIED = "milvus.extra_config.quotaAndLimits.limitReading.forceDeny=true"
"""Milvus is up and ready, and refuses every search: nothing but a gate sees that."""
DOCUMENTS = 20

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
    (backup,) = json.loads(
        upgraded.run("sh", "-c", " ".join(["./rag backup", STACK, "--list --json", *upgraded.backup, "2>/dev/null"])).output
    )
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


def test_killed_while_helm_is_at_work_the_same_command_comes_to_its_end(upgraded: Upgraded) -> None:
    before, command = upgraded.lines(), upgraded.command("--set", "milvus.memory_gib=3", "--no-backup", "made just now")
    with subprocess.Popen(command, cwd=REPOSITORY, env=upgraded.shell, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not upgraded.installed.endswith("pending-upgrade"):
            time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert "an upgrade is not finished: the configuration" in upgraded.cli("upgrade", STACK).output
    assert "`./rag upgrade upgraded " in upgraded.cli("doctor", STACK).output
    ended = upgraded.run(*command)
    assert ended.code == 0, ended.output
    assert "gate before" not in ended.output
    assert upgraded.helm("get", "values", "milvus")["standalone"]["resources"]["limits"]["memory"] == "3Gi"
    assert upgraded.lines() == before
    assert "not finished" not in upgraded.cli("upgrade", STACK).output
