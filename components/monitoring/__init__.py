"""What tells somebody that the SLOs are missed while the stack runs: alerting rules and dashboards.

Rules need the CRDs of Prometheus's operator; dashboards are ConfigMaps that Grafana's sidecar finds by their label, made from panels.yaml:
a title, a unit and the queries of each panel; the rest is the same everywhere.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components.component import Component
from components.monitoring.rules import Objectives, groups
from components.templates import rendered

DASHBOARD_LABEL = {"grafana_dashboard": "1"}
"""What the sidecar of Grafana's own chart looks for, unless its `sidecar.dashboards.label` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is watched, and by whom."""

    namespace: pulumi.Input[str]
    objectives: Objectives | None  # promises that rules are made from; None for no rules
    dashboards: bool
    environment: str
    namespace_name: str
    labels: Mapping[str, str]  # labels by which Prometheus selects rules
    runbooks: str = ""  # address that stands before the name of each runbook


class Monitoring(Component):
    """One PrometheusRule and a ConfigMap for each dashboard."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        if args.objectives is not None:
            marked = {"name": "milvus-slos", "namespace": args.namespace, "labels": dict(args.labels)}
            rules = {"groups": groups(args.objectives, args.runbooks)}
            self._make_custom(f"{name}-rules", "monitoring.coreos.com/v1", "PrometheusRule", marked, rules)
        shown = dashboards(args.environment, args.namespace_name) if args.dashboards else {}
        for title, model in shown.items():
            metadata: Any = {"name": f"dashboard-{title}", "namespace": args.namespace, "labels": DASHBOARD_LABEL}
            data = {f"{args.environment}-{title}.json": json.dumps(model, indent=1, sort_keys=True)}
            k8s.core.v1.ConfigMap(f"{name}-dashboard-{title}", metadata=metadata, data=data, opts=self._own)
        self.register_outputs({})


def dashboards(environment: str, namespace: str) -> dict[str, dict[str, Any]]:
    """Return each dashboard of one environment by its name."""
    words = {"environment": environment, "namespace": namespace}
    folder = Path(__file__).parent
    panels = yaml.safe_load((folder / "panels.yaml").read_text(encoding="utf-8"))
    return {name: rendered(folder / "dashboard.yaml.j2", name=name, described=each, **words)[0] for name, each in panels.items()}
