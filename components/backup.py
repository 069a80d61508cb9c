"""Backups on a schedule: a CronJob of the suite's image that copies Milvus's collections into another bucket.

It holds no token of the cluster: the outputs of the stack are a ConfigMap, and of Secrets it mounts those of Milvus's users and the key of
the bucket of the backups, which is the operator's. One runs at a time; one that fails is tried twice more, and parts that it wrote count.
"""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import pods
from components.component import CA_KEY, Component, Mounted, PodArgs, projected
from components.flows import SUITE
from components.pods import Resources

NAME = "backup"
_LABELS = {**SUITE.labels, **pods.PART_OF, "app.kubernetes.io/component": NAME}
_TARGET, _FILE, _MOUNTED, _CREDENTIAL, _TRUST = (
    "/run/backup-target",
    "target.json",
    "/run/backup-secrets",
    "/run/backup-key",
    "/run/backup-ca",
)
_TRIES, _LONGEST_S = 2, 86_400


@dataclass(frozen=True, kw_only=True)
class BackupArgs(PodArgs):
    """What to run, and when: the suite's own image, with its account."""

    resources: Resources
    target: pulumi.Input[str]
    """Outputs of the stack, as JSON text."""
    mounted: tuple[Mounted, ...]
    endpoint: str
    region: str
    bucket: str
    secret: str
    """Secret with `access_key` and `secret_key` for the bucket."""
    ca_config_map: pulumi.Input[str] | None
    """ConfigMap with the private CA of that store; None where the public ones do."""
    schedule: str
    """As cron has it."""
    keep: int
    """How many of the newest stay; 0: all."""


class Backup(Component):
    """The CronJob; by hand: kubectl create job NAME --from=cronjob/backup."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        config_map = self._make_config_map(f"{name}-target", "backup-target", args.namespace, _FILE, args.target)
        metadata: Any = {"name": NAME, "namespace": args.namespace, "labels": _LABELS}
        job = {
            "backoffLimit": _TRIES,
            "activeDeadlineSeconds": _LONGEST_S,
            "template": {"metadata": args.options.metadata(_LABELS, job=True), "spec": _pod(args, config_map)},
        }
        self._make_cron_job(f"{name}-cron-job", metadata, args.schedule, job)
        self.register_outputs({})


def _pod(args: BackupArgs, config_map: pulumi.Output[str]) -> dict[str, Any]:
    sources: dict[str, tuple[str, dict[str, Any]]] = {
        "target": (_TARGET, {"configMap": {"name": config_map}}),
        "secrets": (_MOUNTED, projected(args.mounted)),
        "credential": (_CREDENTIAL, {"secret": {"secretName": args.secret, "defaultMode": 0o440}}),
    }
    if args.ca_config_map is not None:
        sources["ca"] = (_TRUST, {"configMap": {"name": args.ca_config_map}})
    where = ["--endpoint", args.endpoint, "--region", args.region, "--bucket", args.bucket, "--credential-dir", _CREDENTIAL]
    trusted = ["--ca-file", f"{_TRUST}/{CA_KEY}"] if args.ca_config_map is not None else []
    how = ["--mounted", _MOUNTED, "--keep", str(args.keep), "--label", "scheduled", "--out", "/tmp/report"]  # noqa: S108  a path in the container
    mounts, volumes = pods.mounted(sources)
    container = {
        "name": NAME,
        "image": args.image,
        "args": ["backup", f"{_TARGET}/{_FILE}", *where, *trusted, *how],
        "resources": args.resources.manifest(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    return pods.pod(args.account, args.options, container, volumes, restartPolicy="Never")
