"""The gate and the preflight on a schedule, in the lab's cluster: the CronJobs that the stack declares, with real image and Secrets.

What is promised of them: the Job's success is the answer, a verdict is final, why it is red stands in the pod's last message, two of one
CronJob never run at once, and its history is what the dashboard shows. Jobs are named by the schedule, or by hand as the runbooks say.
"""

import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.monitoring import dashboards
from lab import project
from stacks import environments
from stacks.settings import Settings
from stacks.settings.platform import GateSettings, PreflightSettings
from stacks.wiring import suite_pods
from tests import prometheus
from tests.deploy import deploy
from tests.e2e import state_metrics
from tests.e2e.lab import Lab
from tests.prometheus import until

pytestmark = [pytest.mark.e2e, pytest.mark.proof, pytest.mark.timeout(1_500)]

NAMESPACE, NEVER, EACH_MINUTE = "rag", "0 0 29 2 *", "* * * * *"
GATE_S, PREFLIGHT_S = 900, 180
_RESULT = re.compile(r"^RESULT: (\w+) .*\(exit (\d)\)", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """A Job that ended: its conditions that are true, the exit codes of its pods, and what they said."""

    uid: str
    conditions: set[str]
    codes: list[int]
    log: str
    last_message: str

    @property
    def result(self) -> tuple[str, int]:
        """Word and exit code of the last line."""
        word, code = _RESULT.findall(self.log)[-1]
        return word, int(code)


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """A CronJob of the lab's cluster, and its Jobs."""

    lab: Lab
    name: str

    def run(self, *words: str) -> str:
        return self.lab.output("kubectl", "-n", NAMESPACE, *words)

    def read(self, *words: str) -> Any:
        return self.lab.kubectl("-n", NAMESPACE, "get", *words)

    def jobs(self) -> list[dict[str, Any]]:
        items = self.read("jobs")["items"]
        return [job for job in items if any(each["name"] == self.name for each in job["metadata"].get("ownerReferences", ()))]

    def by_hand(self, name: str) -> None:
        self.run("create", "job", name, f"--from=cronjob/{self.name}")

    def ended(self, job: str, within_s: int) -> Ended:
        """Wait for the end of a Job."""
        until(lambda: bool({"Complete", "Failed"} & _true(self.read("job", job))), f"{job} ends", within_s)
        pods = self.read("pods", "-l", f"batch.kubernetes.io/job-name={job}")["items"]
        states = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods]
        log, whole = self.run("logs", f"job/{job}"), self.read("job", job)
        return Ended(whole["metadata"]["uid"], _true(whole), [state["exitCode"] for state in states], log, states[0].get("message", ""))


def _true(job: Mapping[str, Any]) -> set[str]:
    return {each["type"] for each in job["status"].get("conditions", ()) if each["status"] == "True"}


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The lab's own, with both on a schedule."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "PULUMI_OPTION_CONFIG_FILE", str(project.config_file("lab")))
        patch.setitem(os.environ, "PULUMI_STACK", "lab")
        own = environments.load("lab").settings
    gate, preflight = GateSettings(slo_of="lab", schedule=EACH_MINUTE), PreflightSettings(schedule=NEVER)
    return own.model_copy(update={"gate": gate, "preflight": preflight})


class Part(pulumi.ComponentResource):
    """A part of the lab's stack that is there already, by what others read of it."""

    def __init__(self, name: str, **fields: Any) -> None:
        super().__init__("test:index:Part", name)
        self.__dict__.update(fields)


def parts(outputs: Mapping[str, Any]) -> Any:
    """Return tenancy, store, documents, trust and model services as the outputs of the stack name them."""
    services = {
        name: SimpleNamespace(secret_name=outputs[f"{name}_secret_name"], ca_config_map=outputs[f"{name}_ca_config_map"])
        for name in ("embedding", "llm")
    }
    return SimpleNamespace(
        tenancy=Part("tenancy", namespace=NAMESPACE, accounts={"suite": "suite"}),
        store=Part("store", bucket=outputs["milvus_bucket"], secret_name=outputs["milvus_secret_name"], credential_generation="e2e"),
        documents=Part("documents", bucket=outputs["documents_bucket"], secret_name=outputs["documents_secret_name"]),
        trust=Part("trust", config_map_name=outputs["object_store_ca_config_map"]),
        services={**services, "reranker": None},
    )


@contextmanager
def declared(lab: Lab, home: Path, name: str, program: Callable[[], Any], changed: Callable[[str], str] = str) -> Iterator[Scheduled]:
    """Create the CronJob that a program declares, and its ConfigMaps, and take them away again."""
    wanted = {"ConfigMap": "v1", "CronJob": "batch/v1"}
    items = [(item.type.rpartition(":")[2], item.inputs) for item in deploy(program)]
    objects = [{"apiVersion": wanted[kind], **inputs, "kind": kind} for kind, inputs in items if kind in wanted]
    file = home / f"{name}.json"
    file.write_text(changed(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})))
    scheduled = Scheduled(lab=lab, name=name)
    scheduled.run("create", "-f", str(file))
    try:
        yield scheduled
    finally:
        lab.run("kubectl", "-n", NAMESPACE, "delete", "--ignore-not-found", "--cascade=foreground", "-f", str(file))


@pytest.fixture(scope="module")
def preflight(lab: Lab, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    outputs = lab.outputs()

    def program() -> None:
        own = parts(outputs)
        suite_pods.preflight(settings, own.tenancy, own.store, own.documents, own.trust)

    with declared(lab, tmp_path_factory.mktemp("preflight"), "preflight", program) as scheduled:
        yield scheduled


@pytest.fixture(scope="module")
def passed(preflight: Scheduled) -> Ended:
    preflight.by_hand("preflight-now")
    return preflight.ended("preflight-now", PREFLIGHT_S)


def test_a_preflight_by_hand_passes_and_is_the_last_good_one_of_its_cron_job(preflight: Scheduled, passed: Ended) -> None:
    assert (passed.conditions >= {"Complete"}, passed.codes) == (True, [0]), passed.log
    assert passed.result in {("PASS", 0), ("WARN", 0)}
    assert not passed.last_message, "only an error is worth a last message"
    until(lambda: "lastSuccessfulTime" in preflight.read("cronjob", "preflight")["status"], "the CronJob counts it")


def test_a_red_preflight_is_final_and_why_stands_in_the_pods_last_message(preflight: Scheduled, tmp_path: Path) -> None:
    bucket = preflight.lab.outputs()["milvus_bucket"]
    text = json.dumps({key: value for key, value in preflight.read("cronjob", "preflight").items() if key != "status"})
    red = json.loads(text.replace(f'"{bucket}"', '"no-such-bucket-of-the-lab"'))
    job = {"metadata": {"name": "preflight-red"}, "spec": red["spec"]["jobTemplate"]["spec"]}
    file = tmp_path / "red.json"
    file.write_text(json.dumps({"apiVersion": "batch/v1", "kind": "Job", **job}))
    preflight.run("create", "-f", str(file))
    try:
        ended = preflight.ended("preflight-red", PREFLIGHT_S)
    finally:
        preflight.run("delete", "job", "preflight-red", "--ignore-not-found")
    assert (ended.conditions >= {"Failed"}, ended.codes, ended.result) == (True, [1], ("FAIL", 1)), ended.log
    assert "no-such-bucket-of-the-lab" in ended.last_message
    assert "RESULT: FAIL" in ended.last_message


@pytest.fixture(scope="module")
def gate(lab: Lab, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    outputs = lab.outputs()

    def program() -> None:
        own = parts(outputs)
        suite_pods.gate(settings, own.tenancy, outputs, documents=own.documents, trust=own.trust, services=own.services)

    with declared(lab, tmp_path_factory.mktemp("gate"), "gate", program) as scheduled:
        yield scheduled


@pytest.fixture(scope="module")
def measured(gate: Scheduled) -> Ended:
    """The first gate of the schedule, while the next one was due; the CronJob is suspended then, so that no third one begins."""
    until(lambda: bool(gate.jobs()), "the schedule begins a gate")
    (job,) = gate.jobs()
    until(lambda: "JobAlreadyActive" in _events(gate), "the next one is due, and left out")
    gate.run("patch", "cronjob", "gate", "-p", '{"spec": {"suspend": true}}')
    return gate.ended(job["metadata"]["name"], GATE_S)


def _events(gate: Scheduled) -> set[str]:
    return {
        each["reason"] for each in gate.read("events", "--field-selector=involvedObject.kind=CronJob,involvedObject.name=gate")["items"]
    }


def test_a_gate_that_is_due_while_one_runs_is_left_out(gate: Scheduled, measured: Ended) -> None:
    assert [job["metadata"]["uid"] for job in gate.jobs()] == [measured.uid]


def test_the_gates_answer_is_the_jobs_and_a_red_one_is_not_tried_again(gate: Scheduled, measured: Ended) -> None:
    _, code = measured.result
    assert measured.codes == [code], measured.log
    assert measured.conditions >= {"Complete" if code == 0 else "Failed"}
    assert code in {0, 1, 3}, measured.log  # what it says of a machine that others use is not asked here
    if code == 0:
        until(lambda: "lastSuccessfulTime" in gate.read("cronjob", "gate")["status"], "the CronJob counts it")
    else:
        assert "RESULT: " in measured.last_message


PANELS = {
    panel["title"]: panel["targets"][0]["expr"].replace("$namespace", NAMESPACE)
    for panel in dashboards("lab", NAMESPACE)["history"]["panels"]
}


@pytest.mark.usefixtures("passed")
def test_every_query_of_the_history_returns_data_of_these_very_jobs(
    preflight: Scheduled, gate: Scheduled, measured: Ended, tmp_path: Path
) -> None:
    cron_jobs = [each.read("cronjob", each.name) for each in (preflight, gate)]
    page = state_metrics.text(cron_jobs, [*preflight.jobs(), *gate.jobs()]).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = {"targets": [f"127.0.0.1:{server.server_port}"]}
        jobs = [{"job_name": "kube-state-metrics", "honor_labels": True, "static_configs": [target]}]
        with prometheus.running(tmp_path, jobs) as reading:
            until(lambda: bool(reading.ask("kube_job_owner")), "the metrics are read")
            shown = {title: _values(reading.ask(expr)) for title, expr in PANELS.items()}
        server.shutdown()
    age, failed, took = shown.values()
    good = {"preflight", "gate"} if "Complete" in measured.conditions else {"preflight"}
    assert (set(age), set(took)) == (good, good), shown
    assert failed == {"preflight": 0, "gate": int("Failed" in measured.conditions)}, shown
    assert min(*age.values(), *took.values()) >= 0, shown
    assert max(took.values()) < GATE_S, shown


def _values(samples: list[dict[str, Any]]) -> dict[str, float]:
    values = {each["metric"].get("cronjob") or each["metric"]["owner_name"]: float(each["value"][1]) for each in samples}
    assert not any(map(math.isnan, values.values())), samples
    return values
