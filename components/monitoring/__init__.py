"""What tells somebody that the SLOs are missed while the stack runs: alerting rules and dashboards.

Rules need the CRDs of Prometheus's operator; dashboards are ConfigMaps that Grafana's sidecar finds by their label.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.component import Component
from components.monitoring.dashboards import dashboards
from components.monitoring.rules import Objectives, groups

DASHBOARD_LABEL = {"grafana_dashboard": "1"}
"""What the sidecar of Grafana's own chart looks for, unless its `sidecar.dashboards.label` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is watched, and by whom."""

    namespace: pulumi.Input[str]
    objectives: Objectives | None
    """Promises that rules are made from; None for no rules."""
    dashboards: bool
    environment: str
    namespace_name: str
    labels: Mapping[str, str]
    """Labels by which Prometheus selects rules."""
    runbooks: str = ""
    """Address that stands before the name of each runbook."""


class Monitoring(Component):
    """One PrometheusRule and a ConfigMap for each dashboard."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        if args.objectives is not None:
            self._make_rules(name, args, args.objectives)
        if args.dashboards:
            self._make_dashboards(name, args)
        self.register_outputs({})

    def _make_rules(self, name: str, args: MonitoringArgs, objectives: Objectives) -> None:
        metadata: Any = {"name": "milvus-slos", "namespace": args.namespace, "labels": dict(args.labels)}
        k8s.apiextensions.CustomResource(
            f"{name}-rules",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=metadata,
            spec={"groups": groups(objectives, args.runbooks)},
            opts=self._own,
        )

    def _make_dashboards(self, name: str, args: MonitoringArgs) -> None:
        for title, model in dashboards(args.environment, args.namespace_name).items():
            metadata: Any = {"name": f"dashboard-{title}", "namespace": args.namespace, "labels": DASHBOARD_LABEL}
            data = {f"{args.environment}-{title}.json": json.dumps(model, indent=1, sort_keys=True)}
            k8s.core.v1.ConfigMap(f"{name}-dashboard-{title}", metadata=metadata, data=data, opts=self._own)
