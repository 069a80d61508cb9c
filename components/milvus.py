"""Milvus as a Helm release on its own bucket.

The release keeps a fixed name, since its Service is the address of Milvus. It is waited for (a first install pulls images and loads
metadata: up to 30 minutes) and is not `atomic`: that would delete a failed first install and with it the evidence.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import milvus_values
from components.component import Component
from components.milvus_access.reach import through_cluster
from components.milvus_access.root import Login, LoginProvider
from components.milvus_values import SERVICE_NAME, MilvusShape, MilvusStore

_PORT = 19530
_TIMEOUT_S = 1800
_HISTORY = 10


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Which chart installs Milvus."""

    name: str  # path, OCI reference, or name in `repository`
    version: str
    repository: str | None  # URL; None for a path or an OCI reference
    checksum: str = ""
    """Of what lies at a path, which Pulumi takes for unchanged as long as the version is; "" where the version says it all."""


@dataclass(frozen=True, kw_only=True)
class Administration:
    """How this machine speaks to Milvus as root once it runs."""

    uri: str | None  # http(s)://host:port as this machine reaches it; None for a way through the Kubernetes API
    ca_pem: str  # PEM text of the authority that Milvus's certificate comes from; "" for plain http
    password: pulumi.Input[str]  # what root's password has to be
    settings: str  # name of the group of settings that this comes from, for messages


@dataclass(frozen=True, kw_only=True)
class MilvusArgs:
    """What to install, and on which data."""

    namespace: pulumi.Input[str]
    chart: Chart
    shape: MilvusShape
    store: MilvusStore
    administration: Administration | None  # None where authentication is disabled
    cluster_domain: str = "cluster.local"


class Milvus(Component):
    """Milvus as a Helm release on its own bucket."""

    uri: pulumi.Output[str]  # http(s)://host:port inside the cluster
    database: pulumi.Output[str]  # database that is there from the start

    def __init__(self, name: str, args: MilvusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        release = self._make_release(name, args)
        scheme = "https" if args.shape.security.proxy_secret is not None else "http"
        host = pulumi.Output.format("{0}.{1}.svc.{2}", SERVICE_NAME, release.namespace, args.cluster_domain)
        self.uri = pulumi.Output.format("{0}://{1}:{2}", scheme, host, _PORT)
        self.database = pulumi.Output.from_input("default")
        if (given := args.administration) is not None:
            # through an output of the release, since nobody answers before it is there
            uri = release.namespace.apply(lambda namespace: given.uri or through_cluster(str(namespace), args.cluster_domain))
            inputs = {"uri": uri, "ca_pem": given.ca_pem, "password": pulumi.Output.secret(given.password)}
            Login(LoginProvider(given.settings), f"{name}-login", inputs, self._own)
        if args.shape.monitor_labels is not None:
            # by the pods' own addresses: no Service has port 9091, which is more than metrics
            read = {"port": "metrics", "interval": "30s", "honorLabels": True}
            copied = ["app.kubernetes.io/name", "app.kubernetes.io/instance", "component"]
            spec = {"selector": {"matchLabels": milvus_values.SELECTOR}, "podMetricsEndpoints": [read], "podTargetLabels": copied}
            metadata = {"name": SERVICE_NAME, "namespace": args.namespace, "labels": dict(args.shape.monitor_labels)}
            self._make_custom(f"{name}-monitor", "monitoring.coreos.com/v1", "PodMonitor", metadata, spec)
        self.register_outputs({"uri": self.uri, "database": self.database})

    def _make_release(self, name: str, args: MilvusArgs) -> k8s.helm.v3.Release:
        repository = k8s.helm.v3.RepositoryOptsArgs(repo=args.chart.repository) if args.chart.repository is not None else None
        return k8s.helm.v3.Release(
            f"{name}-release",
            name=SERVICE_NAME,
            namespace=args.namespace,
            chart=args.chart.name,
            version=args.chart.version,
            repository_opts=repository,
            values=milvus_values.values(args.shape, args.store),
            description=f"chart {args.chart.checksum}" if args.chart.checksum else None,
            timeout=_TIMEOUT_S,
            skip_await=False,
            atomic=False,
            max_history=_HISTORY,
            opts=self._own,
        )


class MilvusDisruption(Component):
    """A PodDisruptionBudget for each of the components of Milvus with more than one pod: a node's maintenance may take away one at once.

    The chart has none of these budgets. A component with one pod gets none: the budget would forbid every drain of its node. `components`
    are values of the label `component`, at least one.
    """

    def __init__(self, name: str, *, namespace: pulumi.Input[str], components: tuple[str, ...]) -> None:
        super().__init__(name)
        for component in components:
            metadata: Any = {"name": f"milvus-{component}", "namespace": namespace}
            selector = {"matchLabels": {**milvus_values.SELECTOR, "component": component}}
            spec: Any = {"maxUnavailable": 1, "selector": selector, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
            k8s.policy.v1.PodDisruptionBudget(f"{name}-{component}", metadata=metadata, spec=spec, opts=self._own)
        self.register_outputs({})
