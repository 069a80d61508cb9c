"""The gate on a schedule: a CronJob of the suite's image that measures the running stack as `./rag gate` does.

Its answer is the Job's success: kube-state-metrics counts it, so that the age of the last good gate is a metric. Like a backup it holds no
token of the cluster: outputs and SLO file are ConfigMaps, and Secrets are mounted. A red run is not tried again: it is the answer.
"""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import pods
from components.component import Component, Mounted, PodArgs, projected
from components.flows import SUITE
from components.pods import Resources

NAME = "gate"
_LABELS = {**SUITE.labels, **pods.PART_OF, "app.kubernetes.io/component": NAME}
_TARGET, _SLO, _MOUNTED = "/run/gate-target", "/run/gate-slo", "/run/gate-secrets"
_LONGEST_S = 10_800


@dataclass(frozen=True, kw_only=True)
class ScheduledGateArgs(PodArgs):
    """What to measure, and when: the suite's own image, with its account."""

    resources: Resources
    target: pulumi.Input[str]
    """Outputs of the stack, as JSON text."""
    slo: str
    """Text of the SLO file."""
    mounted: tuple[Mounted, ...]
    schedule: str
    """As cron has it."""


class ScheduledGate(Component):
    """The CronJob; by hand: kubectl create job NAME --from=cronjob/gate."""

    def __init__(self, name: str, args: ScheduledGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        target = self._make_config_map(f"{name}-target", "gate-target", args.namespace, "target.json", args.target)
        slo = self._make_config_map(f"{name}-slo", "gate-slo", args.namespace, "slo.yaml", args.slo)
        sources: dict[str, tuple[str, dict[str, Any]]] = {
            "target": (_TARGET, {"configMap": {"name": target}}),
            "slo": (_SLO, {"configMap": {"name": slo}}),
            "secrets": (_MOUNTED, projected(args.mounted)),
        }
        mounts, volumes = pods.mounted(sources)
        how = ["--slo", f"{_SLO}/slo.yaml", "--mounted", _MOUNTED, "--label", "scheduled", "--quiet", "--out", "/tmp/report"]  # noqa: S108
        container = {
            "name": NAME,
            "image": args.image,
            "args": ["run", f"{_TARGET}/target.json", *how],
            "resources": args.resources.manifest(),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": mounts,
        }
        spec = pods.pod(args.account, args.options, container, volumes, restartPolicy="Never")
        template = {"metadata": args.options.metadata(_LABELS, job=True), "spec": spec}
        metadata = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        job = {"backoffLimit": 0, "activeDeadlineSeconds": _LONGEST_S, "template": template}
        self._make_cron_job(f"{name}-cron-job", metadata, args.schedule, job)
        self.register_outputs({})
