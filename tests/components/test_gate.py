"""The gate and the preflight on a schedule: what their CronJobs hold, and that the program in them is started as it wants to be."""

from dataclasses import replace
from typing import Any

from typer.testing import CliRunner

from components import flows
from components.flows import SUITE
from components.gate import ScheduledGate
from components.preflight import Preflight
from tests.components.test_contract import GATE, PREFLIGHT
from tests.deploy import deploy
from validation.__main__ import app


def cron_job() -> Any:
    return next(item for item in deploy(lambda: ScheduledGate("gate", GATE)) if item.type.endswith(":CronJob")).inputs["spec"]


def test_a_red_gate_is_not_tried_again_and_two_never_run_at_once() -> None:
    spec = cron_job()
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("23 3 * * *", "Forbid")
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["template"]["spec"]["restartPolicy"]) == (0, "Never")


def test_it_holds_no_token_of_the_cluster_and_the_policies_find_its_pods() -> None:
    template = cron_job()["jobTemplate"]["spec"]["template"]
    assert (template["spec"]["automountServiceAccountToken"], "env" in template["spec"]["containers"][0]) == (False, False)
    assert flows._selector(SUITE)["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_program_knows_every_argument_that_it_is_started_with() -> None:
    arguments = cron_job()["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "/run/gate-slo/slo.yaml" in result.output) == (2, True), result.output


def test_the_preflight_is_asked_again_on_a_schedule_from_the_same_template() -> None:
    items = deploy(lambda: Preflight("preflight", replace(PREFLIGHT, schedule="41 * * * *")))
    template = next(item for item in items if item.type.endswith(":PodTemplate")).inputs["template"]
    spec = next(item for item in items if item.type.endswith(":CronJob")).inputs["spec"]
    assert (spec["schedule"], spec["jobTemplate"]["spec"]["template"]) == ("41 * * * *", template)
    assert not [item for item in deploy(lambda: Preflight("preflight", PREFLIGHT)) if item.type.endswith(":CronJob")]
