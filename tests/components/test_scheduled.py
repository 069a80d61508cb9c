"""Backups, the gate and the preflight on a schedule: what their CronJobs hold, and whether the program in them takes its arguments."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from typer.testing import CliRunner

from components import flows
from components.flows import SUITE
from components.preflight import Preflight
from components.scheduled import Backup, ScheduledGate
from tests.components.test_contract import BACKUP, GATE, PREFLIGHT
from tests.deploy import deploy
from validation.__main__ import app


def cron_job(component: Callable[[str, Any], Any], args: Any) -> Any:
    return next(item for item in deploy(lambda: component("thing", args)) if item.type.endswith(":CronJob")).inputs["spec"]


def test_one_backup_runs_at_a_time_and_a_failed_one_is_tried_again_and_ends() -> None:
    spec = cron_job(Backup, BACKUP)
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("17 1 * * *", "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"], job["template"]["spec"]["restartPolicy"]) == (2, 86_400, "Never")


def test_a_backup_holds_no_token_of_the_cluster_and_keys_are_files_of_mode_440() -> None:
    pod = cron_job(Backup, BACKUP)["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert (pod["automountServiceAccountToken"], "env" in pod["containers"][0]) == (False, False)
    assert volumes["credential"]["secret"] == {"secretName": "backup-key", "defaultMode": 0o440}
    items = volumes["secrets"]["projected"]["sources"][0]["secret"]["items"]
    assert [item["path"] for item in items] == ["milvus-search/username", "milvus-search/password"]


def test_the_policies_find_a_backups_pods_as_those_of_the_suite() -> None:
    labels = cron_job(Backup, BACKUP)["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert flows._selector(SUITE)["matchLabels"].items() <= labels.items()


def test_backup_knows_every_argument_that_it_is_started_with() -> None:
    arguments = cron_job(Backup, BACKUP)["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "cannot be read as a target" in result.output) == (2, True), result.output


def test_a_red_gate_is_not_tried_again_and_two_never_run_at_once() -> None:
    spec = cron_job(ScheduledGate, GATE)
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("23 3 * * *", "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["template"]["spec"]["restartPolicy"]) == (0, "Never")


def test_a_gate_holds_no_token_of_the_cluster_and_the_policies_find_its_pods() -> None:
    template = cron_job(ScheduledGate, GATE)["jobTemplate"]["spec"]["template"]
    assert (template["spec"]["automountServiceAccountToken"], "env" in template["spec"]["containers"][0]) == (False, False)
    assert flows._selector(SUITE)["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_gate_knows_every_argument_that_it_is_started_with() -> None:
    arguments = cron_job(ScheduledGate, GATE)["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "/run/gate-slo/slo.yaml" in result.output) == (2, True), result.output


def test_the_preflight_is_asked_again_on_a_schedule_from_the_same_template() -> None:
    items = deploy(lambda: Preflight("preflight", replace(PREFLIGHT, schedule="41 * * * *")))
    template = next(item for item in items if item.type.endswith(":PodTemplate")).inputs["template"]
    spec = next(item for item in items if item.type.endswith(":CronJob")).inputs["spec"]
    assert (spec["schedule"], spec["jobTemplate"]["spec"]["template"]) == ("41 * * * *", template)
    assert not [item for item in deploy(lambda: Preflight("preflight", PREFLIGHT)) if item.type.endswith(":CronJob")]


def test_a_verdict_of_the_preflight_is_final_and_a_store_that_does_not_answer_is_asked_twice_more() -> None:
    spec = cron_job(Preflight, replace(PREFLIGHT, schedule="41 * * * *"))["jobTemplate"]["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["operator"], rule["onExitCodes"]["values"]) == ("FailJob", "In", [1, 2, 3])
    assert rule["onExitCodes"]["containerName"] in [each["name"] for each in spec["template"]["spec"]["containers"]]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (2, "Never")
