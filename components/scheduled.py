"""What the suite's image does on a schedule: back Milvus's collections up into another bucket, and measure as `./rag gate` does.

A CronJob each, of which one runs at a time. Neither holds a token of the cluster: the outputs of the stack are a ConfigMap, and of Secrets
it mounts what it needs. Its answer is the Job's success: kube-state-metrics counts it, so that the age of the last good one is a metric. A
backup that fails is tried twice more, and parts that it wrote count; a gate that is red is not: that is its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components import pods
from components.component import CA_KEY, Component, Mounted, PodArgs, pod_of, projected
from components.flows import SUITE
from components.pods import Resources

_BACKUP_TRIES, _LONGEST_BACKUP_S, _LONGEST_GATE_S = 2, 86_400, 10_800
_KEY, _TRUST, _SLO = "/run/backup-key", "/run/backup-ca", "/run/gate-slo"
_REPORT = ("--label", "scheduled", "--out", "/tmp/report")  # noqa: S108  a path in the container


@dataclass(frozen=True, kw_only=True)
class ScheduledArgs(PodArgs):
    """What to run, and when: the suite's own image, with its account."""

    resources: Resources
    target: pulumi.Input[str]  # outputs of the stack, as JSON text
    mounted: tuple[Mounted, ...]
    schedule: str  # as cron has it


@dataclass(frozen=True, kw_only=True)
class BackupArgs(ScheduledArgs):
    """Where backups go."""

    endpoint: str
    region: str
    bucket: str
    secret: str  # secret with `access_key` and `secret_key` for the bucket, which is the operator's
    ca_config_map: pulumi.Input[str] | None  # ConfigMap with the private CA of that store; None where the public ones do
    keep: int  # how many of the newest stay; 0: all


@dataclass(frozen=True, kw_only=True)
class ScheduledGateArgs(ScheduledArgs):
    """What to judge by."""

    slo: str  # text of the SLO file


class _Scheduled(Component):
    """A CronJob; by hand: kubectl create job NAME --from=cronjob/backup or gate."""

    def _schedule(self, resource: str, name: str, args: ScheduledArgs, command: Sequence[Any], sources: pods.Sources, **job: int) -> None:
        target = self._make_config_map(f"{resource}-target", f"{name}-target", args.namespace, "target.json", args.target)
        at, secrets = f"/run/{name}-target", f"/run/{name}-secrets"
        outputs = {"target": (at, {"configMap": {"name": target}}), "secrets": (secrets, projected(args.mounted))}
        labels = {**SUITE.labels, **pods.PART_OF, "app.kubernetes.io/component": name}
        whole = [command[0], f"{at}/target.json", "--mounted", secrets, *command[1:], *_REPORT]
        container = {"name": name, "args": whole, "terminationMessagePolicy": "FallbackToLogsOnError"}
        spec = pod_of(args, container, args.resources, {**outputs, **sources}, restartPolicy="Never")
        template = {"metadata": args.options.metadata(labels, job=True), "spec": spec}
        metadata = {"name": name, "namespace": args.namespace, "labels": labels}
        self._make_cron_job(f"{resource}-cron-job", metadata, args.schedule, {**job, "template": template})
        self.register_outputs({})


class Backup(_Scheduled):
    """Copies the collections."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        sources: dict[str, Any] = {"credential": (_KEY, {"secret": {"secretName": args.secret, "defaultMode": 0o440}})}
        command = ["backup", "--endpoint", args.endpoint, "--region", args.region, "--bucket", args.bucket, "--credential-dir", _KEY]
        if args.ca_config_map is not None:
            sources["ca"] = (_TRUST, {"configMap": {"name": args.ca_config_map}})
            command += ["--ca-file", f"{_TRUST}/{CA_KEY}"]
        command += ["--keep", str(args.keep)]
        self._schedule(name, "backup", args, command, sources, backoffLimit=_BACKUP_TRIES, activeDeadlineSeconds=_LONGEST_BACKUP_S)


class ScheduledGate(_Scheduled):
    """Measures the running stack."""

    def __init__(self, name: str, args: ScheduledGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        slo = self._make_config_map(f"{name}-slo", "gate-slo", args.namespace, "slo.yaml", args.slo)
        sources = {"slo": (_SLO, {"configMap": {"name": slo}})}
        command = ["run", "--slo", f"{_SLO}/slo.yaml", "--quiet"]
        self._schedule(name, "gate", args, command, sources, backoffLimit=0, activeDeadlineSeconds=_LONGEST_GATE_S)
