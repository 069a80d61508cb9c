"""Backups on a schedule: what the CronJob holds, and that the program in it is started as the program wants it."""

from typing import Any

from typer.testing import CliRunner

from components import flows
from components.backup import Backup
from components.flows import SUITE
from tests.components.test_contract import BACKUP
from tests.deploy import deploy
from validation.__main__ import app


def cron_job() -> Any:
    return next(item for item in deploy(lambda: Backup("backup", BACKUP)) if item.type.endswith(":CronJob")).inputs["spec"]


def test_one_runs_at_a_time_and_a_failed_one_is_tried_again_and_ends() -> None:
    spec = cron_job()
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("17 1 * * *", "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"], job["template"]["spec"]["restartPolicy"]) == (2, 86_400, "Never")


def test_it_holds_no_token_of_the_cluster_and_keys_are_files_of_mode_440() -> None:
    pod = cron_job()["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert (pod["automountServiceAccountToken"], "env" in pod["containers"][0]) == (False, False)
    assert volumes["credential"]["secret"] == {"secretName": "backup-key", "defaultMode": 0o440}
    items = volumes["secrets"]["projected"]["sources"][0]["secret"]["items"]
    assert [item["path"] for item in items] == ["milvus-search/username", "milvus-search/password"]


def test_the_policies_find_its_pods_as_those_of_the_suite() -> None:
    labels = cron_job()["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert flows._selector(SUITE)["matchLabels"].items() <= labels.items()


def test_the_program_knows_every_argument_that_it_is_started_with() -> None:
    arguments = cron_job()["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "cannot be read as a target" in result.output) == (2, True), result.output
