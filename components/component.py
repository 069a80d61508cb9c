"""What every component is made with: its token, options for its children, the small objects that several make; what a service has besides.

The token ends with the name of the class, and the state of every stack holds it: such a class is never renamed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.pods import NO_OPTIONS, PodOptions, Resources

_Labels = Mapping[str, str]
CA_KEY = "ca.crt"  # key of a Trust's ConfigMap that holds the PEM text


class Component(pulumi.ComponentResource):
    """A component of the blueprint; whatever it makes is a child of it."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"milvus-x10000:index:{type(self).__name__}", name, None, opts)
        self._own = pulumi.ResourceOptions(parent=self)

    def _make_secret(self, resource: str, name: str, namespace: pulumi.Input[str], **texts: pulumi.Input[str]) -> pulumi.Output[str]:
        """Make a Secret and return its name, for whoever has to wait for it."""
        metadata: k8s.meta.v1.ObjectMetaArgsDict = {"name": name, "namespace": namespace}
        return k8s.core.v1.Secret(resource, metadata=metadata, string_data=texts, opts=self._own).metadata["name"]

    def _make_custom(self, resource: str, api_version: str, kind: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        k8s.apiextensions.CustomResource(resource, api_version=api_version, kind=kind, metadata=metadata, spec=spec, opts=self._own)

    def _make_config_map(
        self, resource: str, name: str, namespace: pulumi.Input[str], key: str, text: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        """Make a ConfigMap of one file and return its name, as above."""
        metadata: k8s.meta.v1.ObjectMetaArgsDict = {"name": name, "namespace": namespace}
        return k8s.core.v1.ConfigMap(resource, metadata=metadata, data={key: text}, opts=self._own).metadata["name"]

    def _make_cron_job(self, resource: str, metadata: Mapping[str, Any], schedule: str, job: Mapping[str, Any]) -> None:
        """Make a CronJob whose runs never overlap; one that cannot begin within an hour is left out."""
        spec: Any = {
            "schedule": schedule,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3_600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": {"labels": metadata["labels"]}, "spec": job},
        }
        k8s.batch.v1.CronJob(resource, metadata=dict(metadata), spec=spec, opts=self._own)


class Trust(Component):
    """The private certificate authority of one service, the object store or Milvus, as a ConfigMap that its clients read.

    It holds that one authority and no public one: what mounts it speaks to that service and to nobody else. Without a private authority
    there is no ConfigMap, and clients keep the public ones of their image.
    """

    config_map_name: pulumi.Output[str]  # name of the ConfigMap, "" when there is no private authority

    def __init__(self, name: str, *, namespace: pulumi.Input[str], ca_pem: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        made = self._make_config_map(f"{name}-ca", name, namespace, CA_KEY, ca_pem) if ca_pem else ""
        self.config_map_name = pulumi.Output.from_input(made)
        self.register_outputs({"config_map_name": self.config_map_name})


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """What a program reads of a Secret or a ConfigMap (--mounted)."""

    kind: str  # secret or configMap
    name: pulumi.Input[str]
    keys: tuple[str, ...]
    folder: pulumi.Input[str] | None = None  # in which the keys are files; None for one of its name


def projected(mounted: Iterable[Mounted]) -> dict[str, Any]:
    """Source of a volume with a folder for each Secret and ConfigMap."""
    sources = []
    for each in mounted:
        folder = each.name if each.folder is None else each.folder
        items = [{"key": key, "path": pulumi.Output.concat(folder, "/", key)} for key in each.keys]
        sources.append({each.kind: {"name": each.name, "items": items}})
    return {"projected": {"defaultMode": 0o440, "sources": sources}}


@dataclass(frozen=True, kw_only=True)
class PodArgs:
    """What every pod of ours is given."""

    namespace: pulumi.Input[str]
    account: pulumi.Input[str]  # service account of its part
    image: str
    options: PodOptions = NO_OPTIONS
    cluster_domain: str = "cluster.local"


def pod_of(args: PodArgs, own: Mapping[str, Any], needs: Resources, sources: pods.Sources, **spec: Any) -> dict[str, Any]:  # noqa: ANN401
    """Spec of a pod of one container, with fields of its `own`, which reads `sources`; further fields of the spec by their names."""
    mounts, volumes = pods.mounted(sources)
    whole = {**own, "image": args.image, "resources": needs.manifest(), "volumeMounts": mounts}
    return pods.pod(args.account, args.options, whole, volumes, **spec)


@dataclass(frozen=True, kw_only=True)
class ServedArgs(PodArgs):
    """What a Deployment behind a Service is given besides."""

    resources: Resources
    replicas: int
    rotation: int = 1  # another number makes another key
    monitor_labels: Mapping[str, str] | None = None  # labels of a ServiceMonitor for Prometheus's operator; None for no monitor


class Served(Component):
    """A component whose pods stand behind a Service."""

    def _serve(
        self, name: str, args: ServedArgs, *, labels: _Labels, selector: _Labels, port: int, endpoint: Mapping[str, Any], several: bool
    ) -> pulumi.Output[str]:
        """Make the Service, a monitor of `endpoint` where somebody reads it, and a budget for several pods; return host:port."""
        metadata: Any = {"name": labels["app.kubernetes.io/name"], "namespace": args.namespace}
        if several:  # a node drain may take one away at a time; a single pod is let go, or no node could ever be drained
            spec: Any = {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
            k8s.policy.v1.PodDisruptionBudget(f"{name}-budget", metadata=metadata, spec=spec, opts=self._own)
        if args.monitor_labels is not None and endpoint:
            read = {"selector": {"matchLabels": selector}, "endpoints": [{"port": "http", "interval": "30s", **endpoint}]}
            marked = {**metadata, "labels": {**labels, **args.monitor_labels}}
            self._make_custom(f"{name}-monitor", "monitoring.coreos.com/v1", "ServiceMonitor", marked, read)
        spec = {"selector": selector, "ports": [{"name": "http", "port": port, "targetPort": "http"}]}
        service = k8s.core.v1.Service(f"{name}-service", metadata={**metadata, "labels": labels}, spec=spec, opts=self._own)
        host = service.metadata
        return pulumi.Output.format("{0}.{1}.svc.{2}:{3}", host["name"], host["namespace"], args.cluster_domain, port)
