"""Alerting rules in Prometheus's own test runner, OpenSLO and dashboards as data, and the component that declares them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError

from components.monitoring import DASHBOARD_LABEL, Monitoring, MonitoringArgs, dashboards
from components.monitoring.rules import Objectives, groups, openslo, slis
from stacks import environments
from stacks.problems import SettingsError
from stacks.wiring.monitoring import objectives
from tests import prometheus
from tests.deploy import deploy

PROMISED = Objectives(environment="prod", namespace="rag", latency_ms={0.95: 60, 0.99: 150}, error_share=0.001)
_SERIES = 'namespace="rag",node_id="1"'
MINUTES = 180


def _searches(slow_from: int | None = None, slow_to: int = MINUTES, share: float = 0.0) -> list[dict[str, str]]:
    """A hundred searches a second, all below 4 ms; `share` of those between two minutes take 300 ms."""
    minutes = [share if slow_from is not None and slow_from <= minute < slow_to else 0.0 for minute in range(MINUTES)]
    fast, every = 0.0, 0.0
    counts: dict[str, list[float]] = {"4": [], "32": [], "64": [], "128": [], "256": [], "+Inf": []}
    for slow in minutes:
        every += 6000
        fast += 6000 * (1 - slow)
        for bound, values in counts.items():
            values.append(every if bound == "+Inf" else fast)
    latency = [
        {
            "series": f'milvus_proxy_sq_latency_bucket{{{_SERIES},query_type="search",le="{bound}"}}',
            "values": " ".join(f"{value:g}" for value in values),
        }
        for bound, values in counts.items()
    ]
    every_one = " ".join(f"{value:g}" for value in counts["+Inf"])
    return [
        *latency,
        {"series": f'milvus_proxy_sq_latency_count{{{_SERIES},query_type="search"}}', "values": every_one},
        {"series": f'milvus_proxy_req_count{{{_SERIES},function_name="Search",status="total"}}', "values": every_one},
        {"series": f'milvus_num_node{{{_SERIES},role_name="proxy"}}', "values": f"1x{MINUTES}"},
    ]


def _count(metric: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{metric}{{{_SERIES},{labels}}}", "values": values}


def _scheduled(cron_job: str, due_s: int, succeeded_s: int = 0) -> list[dict[str, str]]:
    """When a CronJob was last due, and last succeeded, in seconds after the beginning, as kube-state-metrics tells."""
    times, label = {"schedule": due_s, "successful": succeeded_s}, f'cronjob="{cron_job}"'
    return [_count(f"kube_cronjob_status_last_{name}_time", label, f"{time_s}+0x{MINUTES}") for name, time_s in times.items()]


def _backups(due_s: int, succeeded_s: int = 0) -> list[dict[str, str]]:
    return _scheduled("backup", due_s, succeeded_s)


CASES: dict[str, tuple[list[dict[str, str]], dict[int, set[str]]]] = {
    "nothing is wrong": (_searches(), {60: set(), 170: set()}),
    "three of ten are slow for half an hour: p99 pages, and the page clears": (
        _searches(60, 90, 0.3),
        {
            50: set(),
            80: {f"MilvusSearchBudgetBurning {alert}" for alert in ("latency_p99 page", "latency_p99 ticket", "latency_p95 ticket")},
            175: {f"MilvusSearchBudgetBurning {alert}" for alert in ("latency_p99 ticket", "latency_p95 ticket")},
        },
    ),
    "nine of ten are slow: p95 pages too": (
        _searches(60, MINUTES, 0.9),
        {
            115: {
                "MilvusSearchBudgetBurning latency_p95 page",
                "MilvusSearchBudgetBurning latency_p95 ticket",
                "MilvusSearchBudgetBurning latency_p99 page",
                "MilvusSearchBudgetBurning latency_p99 ticket",
            }
        },
    ),
    "a tenth fails": (
        [
            *_searches(),
            _count("milvus_proxy_req_count", 'function_name="Search",status="fail"', f"0x60 600+600x{MINUTES - 60}"),
        ],
        {55: set(), 120: {"MilvusSearchBudgetBurning availability page", "MilvusSearchBudgetBurning availability ticket"}},
    ),
    "Milvus is gone": ([], {4: set(), 20: {"MilvusGone page"}}),
    "the store refuses one request in ten": (
        [
            *_searches(),
            _count("milvus_storage_op_count", 'persistent_data_op_type="get",status="total"', f"0+100x{MINUTES}"),
            _count("milvus_storage_op_count", 'persistent_data_op_type="get",status="fail"', f"0x30 10+10x{MINUTES - 30}"),
        ],
        {20: set(), 60: {"MilvusStoreFailing page"}},
    ),
    "proxies are a minute behind": (
        [*_searches(), _count("milvus_proxy_tt_lag_ms", 'channel_name="by-dev"', f"40x30 60000x{MINUTES - 30}")],
        {20: set(), 60: {"MilvusFallsBehind ticket"}},
    ),
    "the backup that was due six hours ago did not succeed, the one before did": (
        [*_searches(), *_backups(due_s=-21_000, succeeded_s=-100_000)],
        {10: set(), 20: {"MilvusBackupMissed ticket"}},
    ),
    "no backup has ever succeeded": ([*_searches(), *_backups(due_s=-21_000)[:1]], {10: set(), 20: {"MilvusBackupMissed ticket"}}),
    "the gate that was due did not pass, and the one before did": (
        [*_searches(), *_scheduled("gate", due_s=-14_000, succeeded_s=-100_000)],
        {5: set(), 20: {"MilvusGateMissed ticket"}},
    ),
    "the gate that was due passed": ([*_searches(), *_scheduled("gate", due_s=-14_000, succeeded_s=-13_000)], {20: set()}),
    "the preflight that was due did not pass": (
        [*_searches(), *_scheduled("preflight", due_s=-3_500)[:1]],
        {1: set(), 20: {"MilvusPreflightMissed ticket"}},
    ),
    "the backup that was due succeeded": ([*_searches(), *_backups(due_s=-21_000, succeeded_s=-20_000)], {20: set(), 60: set()}),
}


@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_for_what_is_wrong_and_for_nothing_else(case: str, tmp_path: Path) -> None:
    series, expected = CASES[case]
    promtool = prometheus.binary("promtool")
    rules = groups(PROMISED)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
    asked = 'group by (alertname, slo, severity) (ALERTS{alertstate="firing"})'
    expressions = [
        {"expr": asked, "eval_time": f"{minute}m", "exp_samples": [{"labels": _labels(alert), "value": 1} for alert in alerts]}
        for minute, alerts in expected.items()
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expressions}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    ended = subprocess.run([promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_history_of_runs_is_counted_from_what_kube_state_metrics_tells(tmp_path: Path) -> None:
    jobs = [
        _count("kube_job_owner", f'job_name="{name}-1",owner_kind="CronJob",owner_name="{name}"', f"1x{MINUTES}")
        for name in ("gate", "backup")
    ]
    told = [
        ("kube_job_created", 'job_name="gate-1"', 30),
        ("kube_job_created", 'job_name="backup-1"', 60),
        ("kube_job_failed", 'job_name="gate-1",condition="true"', 1),
        ("kube_job_failed", 'job_name="gate-1",condition="false"', 0),
        ("kube_job_status_failed", 'job_name="backup-1",reason=""', 1),  # of its pods: the second one succeeded
        ("kube_job_status_start_time", 'job_name="backup-1"', 60),
        ("kube_job_status_completion_time", 'job_name="backup-1"', 90),
    ]
    series = [*jobs, *_scheduled("gate", due_s=0, succeeded_s=0)]
    series += [_count(metric, labels, f"{value}+0x{MINUTES}") for metric, labels, value in told]
    panels = dashboards("prod", "rag")["history"]["panels"]
    age, failed, took = (panel["targets"][0]["expr"].replace("$namespace", "rag") for panel in panels)
    expected = {
        age: {'{cronjob="gate"}': 600},
        failed: {'{owner_name="gate"}': 1, '{owner_name="backup"}': 0},
        took: {'{owner_name="backup"}': 30},
    }
    asked = [
        {"expr": expr, "eval_time": "10m", "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()]}
        for expr, samples in expected.items()
    ]
    test = {"evaluation_interval": "1m", "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    command = [str(prometheus.binary("promtool")), "test", "rules", "test.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _labels(alert: str) -> str:
    name, *slo, severity = alert.split()
    labels = {"alertname": name, "severity": severity, **({"slo": slo[0]} if slo else {})}
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def test_a_limit_is_interpolated_between_two_buckets_and_one_beyond_the_last_is_never_missed() -> None:
    (near,) = slis(Objectives(environment="prod", namespace="rag", latency_ms={0.95: 60}))
    assert "0.125 * " in near.good
    assert '"32([.]0)?"' in near.good
    assert "0.875 * " in near.good
    assert '"64([.]0)?"' in near.good
    (exact,) = slis(Objectives(environment="prod", namespace="rag", latency_ms={0.95: 64}))
    assert exact.good.startswith("1 * sum")
    assert exact.good.count("bucket") == 1
    (beyond,) = slis(Objectives(environment="prod", namespace="rag", latency_ms={0.99: 200_000}))
    assert beyond.good == beyond.total


def test_what_cannot_burn_gives_no_alert() -> None:
    promised = Objectives(environment="prod", namespace="rag", latency_ms={0.5: 20}, error_share=0)
    assert slis(promised) == []
    loose = Objectives(environment="prod", namespace="rag", latency_ms={0.9: 20})
    windows = [rule["labels"]["window"] for rule in groups(loose)[1]["rules"] if rule["alert"] == "MilvusSearchBudgetBurning"]
    assert windows == ["6h", "1d", "3d"]  # 14.4 times a tenth is more than every search


def test_every_alert_says_what_is_wrong_and_its_runbook_is_a_heading_of_the_page() -> None:
    page = (environments.slo_of("prod").parent.parent / "docs" / "monitoring.md").read_text()
    anchors = {line.lstrip("# ").lower().replace(" ", "-") for line in page.splitlines() if line.startswith("#")}
    for alert in groups(PROMISED, "https://wiki.example.net/")[1]["rules"]:
        address, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert address == "https://wiki.example.net/docs/monitoring.md"
        assert anchor in anchors
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_openslo_has_a_service_and_an_slo_for_each_ratio() -> None:
    service, *slos = openslo(PROMISED)
    assert service["metadata"]["name"] == "milvus-prod"
    assert [slo["spec"]["objectives"][0]["target"] for slo in slos] == [0.95, 0.99, 0.999]
    assert {slo["spec"]["service"] for slo in slos} == {"milvus-prod"}
    assert "WINDOW" not in json.dumps(slos)


class Source(BaseModel, extra="forbid"):
    type: str
    spec: dict[str, str]


class Ratio(BaseModel, extra="forbid"):
    counter: bool
    good: dict[Literal["metricSource"], Source]
    total: dict[Literal["metricSource"], Source]


NAME = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
DESCRIPTION = Annotated[str, Field(max_length=1050)]


class Indicator(BaseModel, extra="forbid"):
    metadata: dict[Literal["name"], NAME]
    spec: dict[Literal["ratioMetric"], Ratio]


class Window(BaseModel, extra="forbid"):
    duration: Annotated[str, Field(pattern=r"^[1-9][0-9]*[mhdwMQY]$")]
    isRolling: Literal[True]  # noqa: N815  as OpenSLO has it; anything else needs a calendar


class Target(BaseModel, extra="forbid"):
    displayName: Annotated[str, Field(min_length=1)]  # noqa: N815
    target: Annotated[float, Field(ge=0, lt=1)]


class SloSpec(BaseModel, extra="forbid"):
    """What the schema of openslo/v1 asks of the spec of an SLO, written anew from it: for what we use of it."""

    description: DESCRIPTION
    service: NAME
    indicator: Indicator
    timeWindow: Annotated[list[Window], Field(max_length=1)]  # noqa: N815
    budgetingMethod: Literal["Occurrences", "Timeslices"]  # noqa: N815
    objectives: list[Target]


def test_openslo_is_what_its_schema_asks_for() -> None:
    service, *slos = openslo(PROMISED)
    assert {each["apiVersion"] for each in (service, *slos)} == {"openslo/v1"}
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", each["metadata"]["name"]) for each in (service, *slos))
    for slo in slos:
        assert slo.keys() == {"apiVersion", "kind", "metadata", "spec"}
        assert SloSpec.model_validate(slo["spec"]).service == service["metadata"]["name"]
    with pytest.raises(ValidationError):
        SloSpec.model_validate(slos[0]["spec"] | {"objectives": [{"displayName": "x", "target": 1.0}]})


def test_a_dashboard_has_an_id_of_its_own_panels_that_do_not_overlap_and_only_queries_of_its_namespace() -> None:
    made = dashboards("prod", "rag")
    assert len({model["uid"] for model in made.values()}) == len(made)
    for model in made.values():
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in model["panels"]]
        assert len(set(places)) == len(places)
        for panel in model["panels"]:
            assert panel["description"]
            assert all('namespace="$namespace"' in target["expr"] for target in panel["targets"])


def _declare(**chosen: Any) -> Any:
    args = {"objectives": PROMISED, "dashboards": True, "labels": {"release": "x"}, **chosen}
    chosen_args = MonitoringArgs(namespace="rag", environment="prod", namespace_name="rag", **args)
    return deploy(lambda: Monitoring("monitoring", chosen_args))


def test_the_component_declares_one_rule_and_a_config_map_for_each_dashboard() -> None:
    declared = [item for item in _declare() if item.type.startswith("kubernetes:")]
    (rule,) = [item for item in declared if item.inputs.get("kind") == "PrometheusRule"]
    assert rule.inputs["metadata"]["labels"] == {"release": "x"}
    maps = [item for item in declared if item.type.endswith("ConfigMap")]
    assert {json.dumps(item.inputs["metadata"]["labels"]) for item in maps} == {json.dumps(DASHBOARD_LABEL)}
    assert sorted(next(iter(item.inputs["data"])) for item in maps) == sorted(f"prod-{name}.json" for name in dashboards("prod", "rag"))


def test_each_half_can_be_left_out() -> None:
    assert not [item for item in _declare(objectives=None) if item.inputs.get("kind") == "PrometheusRule"]
    assert not [item for item in _declare(dashboards=False) if item.type.endswith("ConfigMap")]


def test_limits_come_from_the_slo_file_of_the_gate() -> None:
    settings = environments.load("prod", own_files_only=True).settings
    assert objectives(settings, "prod") == PROMISED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("objectives: [", "no alerting rules can be made"),
        ("objectives: {recall_at_10: {limit: '>= 0.9'}}", "promises nothing that Prometheus could watch"),
        ("objectives: {search_p95_ms: {limit: '<= +10%'}, search_error_share: {limit: '<= 0'}}", "promises nothing that Prometheus"),
    ],
)
def test_an_slo_file_that_gives_no_rule_is_refused(text: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = environments.load("prod", own_files_only=True).settings
    monkeypatch.setattr(environments, "_SLO", tmp_path)
    if text is not None:
        (tmp_path / "slo.acme.yaml").write_text(text)
    with pytest.raises(SettingsError, match=says) as refused:
        objectives(settings, "acme")
    assert refused.value.code == "monitoring.slo"
