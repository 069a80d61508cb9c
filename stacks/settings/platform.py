"""What a cluster asks of whatever runs in it: places, marks, ids of users, its own name, who reads metrics; and which images run."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.pods import Toleration
from stacks.settings import names
from stacks.settings.group import Group, Trusting, setting
from stacks.settings.names import CaFile, Endpoint, Image, Labels, ObjectName, PlainText

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SCHEDULE = r"^(@(hourly|daily|midnight|weekly|monthly)|[\d*/,-]+( [\d*/,A-Za-z?-]+){4})$"
REASON = re.compile(r"^\w.* .*\S$")  # two words at least: a number, true, or an option's dash would not reach the settings as text
_OURS = ("app.kubernetes.io/", "milvus-x10000/")


def _marks(value: dict[str, str]) -> dict[str, str]:
    if ours := sorted(key for key in map(names.label_key, value) if key == "component" or key.startswith(_OURS)):
        raise ValueError(f"names {', '.join(ours)}, by which services, network policies and restarts find our pods; choose another key")
    return value


Marks = Annotated[dict[str, str], AfterValidator(_marks)]


class TolerationSettings(Group):
    """A taint of nodes that is put up with."""

    key: names.LabelKey = setting(..., "dedicated", "key of the taint")
    value: names.LabelValue | None = setting(None, "milvus", "its value; none for any")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = setting(None, "NoSchedule", "its effect; none for any")

    @property
    def toleration(self) -> Toleration:
        """As the components take it."""
        return Toleration(**self.model_dump())


class PodSettings(Group):
    """What every pod of the stack gets: Milvus, etcd, model services, Jobs, load generators. A part's own settings come first."""

    node_selector: Labels = setting({}, '\'{"pool": "rag"}\'', "labels that every node of ours must have")
    tolerations: tuple[TolerationSettings, ...] = setting((), '\'[{"key": "dedicated"}]\'')
    """taints of those nodes; without them no pod is ever placed there"""
    priority_class: ObjectName | None = setting(None, "rag-high", "PriorityClass: without one any other pod may push ours off a full node")
    labels: Annotated[Labels, AfterValidator(_marks)] = setting({}, '\'{"cost-centre": "4711"}\'', "further labels, such as a cost centre")
    annotations: Marks = setting({}, '\'{"team": "search"}\'', "further annotations, such as the ones of a service mesh")


class PodSecuritySettings(Group):
    """What the platform's admission decides by itself."""

    assign_ids: bool = setting(True, "false")
    """state user and group of every pod; false on OpenShift, which assigns them from the range of the namespace"""


class ClusterSettings(Group):
    """The Kubernetes cluster of this environment."""

    domain: Annotated[str, AfterValidator(names.unless(_DOMAIN.fullmatch, "domain"))] = setting("cluster.local", "k8s.example.net")
    """domain of the cluster's own names: another one makes every address of a Service unknown"""
    context: PlainText | None = setting(None, "prod-admin@prod", min_length=1)
    """context of the kubeconfig that this environment belongs to; any other is refused"""


class MonitoringSettings(Group):
    """What Prometheus's operator is told; the cluster must have its CRDs."""

    enabled: bool = setting(False, "true", "make a PodMonitor for Milvus and a ServiceMonitor for each model service")
    labels: Labels = setting({}, '\'{"release": "kube-prometheus-stack"}\'')
    """labels by which Prometheus selects monitors and rules; without them most installations read none of ours"""
    rules_of: ObjectName | None = setting(None, "prod")
    """environment whose validation/slo.NAME.yaml is watched by alerting rules (a PrometheusRule); none by default"""
    dashboards: bool = setting(False, "true", "make a ConfigMap for each dashboard of Grafana")
    runbooks: PlainText = setting("", "https://wiki.example.net/rag/")
    """address that stands before the name of each runbook in an alert, such as docs/monitoring.md#milvus-is-gone"""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> "MonitoringSettings":
        if self.labels and not (self.enabled or self.rules_of):
            raise ValueError("labels would be ignored: no monitor is made unless monitoring.enabled is true")
        if self.runbooks and not self.rules_of:
            raise ValueError("runbooks would be ignored: no alert is made unless monitoring.rules_of names an environment")
        return self


class ImageSettings(Group):
    """Images; what may be run is the operator's decision, so none has a default."""

    milvus: Image = setting(..., "registry.example.net/milvusdb/milvus:v2.6.21", "image of Milvus")
    etcd: Image | None = setting(None, "registry.example.net/milvusdb/etcd:3.5.25-r1", "image of the bundled etcd; default the chart's own")
    embedding: Image | None = setting(None, "registry.example.net/embedding:1.2.0", "image of the embedding service")
    llm: Image | None = setting(None, "registry.example.net/llm:1.2.0", "image of the LLM service")
    reranker: Image | None = setting(None, "registry.example.net/reranker:1.2.0", "image of the reranker")
    suite: Image | None = setting(None, "registry.example.net/milvus-x10000/suite:1.0.0")
    """the suite's own image: the preflight inside the cluster, and copying weights from a bucket"""


class PromotionSettings(Group):
    """What must have passed below, in another environment, before it runs here."""

    passed_in: ObjectName = setting(..., "staging", "environment whose green rollouts count: its stacks/passed.NAME.yaml")
    images: tuple[Literal["milvus", "etcd", "embedding", "llm", "reranker", "suite"], ...] = setting((), '\'["milvus", "etcd", "suite"]\'')
    """images that must have passed there; default all. Leave out what differs by nature, such as models that run on CPUs there"""
    override: dict[Annotated[str, Field(pattern=r"^r[0-9a-f]{12}$")], Annotated[PlainText, Field(pattern=REASON)]] = setting(
        {}, '\'{"r3f9a1c2b7d01": "INC-17: dev is down"}\''
    )
    """reason by release for one that did not pass; a refusal names the release, and `./rag rollout ENV --override REASON` writes it"""


class RegistrySettings(Group):
    """Registries: where images are really pulled from, and whom to trust there."""

    mirrors: names.Mirrors = setting({}, '\'{"docker.io": "registry.example.net/dockerhub"}\'')
    """mirror of each registry, as HOST or HOST/PATH: `./rag pin` asks it, and pods pull from it"""
    ca_file: CaFile | None = setting(None, "/etc/ssl/registry-ca.crt", "PEM file of the registries' private CA, besides the public ones")
    pull_secrets: tuple[names.OperatorsSecret, ...] = setting((), "'[\"mirror\"]'")
    """Secrets of the namespace, of type kubernetes.io/dockerconfigjson, for registries that ask who pulls"""


class PreflightSettings(Group):
    """The preflight inside the cluster."""

    performance: bool = setting(False, "true", "measure the store's latency and throughput too, in minutes instead of seconds")
    schedule: str | None = setting(None, "'41 * * * *'", "when it looks again, as cron has it; none by default", pattern=_SCHEDULE)


class GateSettings(Group):
    """The gate on a schedule, in the suite's image: a CronJob in the namespace, whose success Prometheus counts."""

    slo_of: ObjectName = setting(..., "prod", "environment whose validation/slo.NAME.yaml it judges by")
    schedule: str = setting("23 3 * * *", "'23 3 * * *'", "when, as cron has it, in the time zone of the cluster", pattern=_SCHEDULE)
    cpu_cores: float = setting(1, 2, "cores requested", gt=0, le=64)
    memory_gib: float = setting(2, 4, "memory requested, and its limit: exact answers need all vectors in memory", ge=1, le=256)


class AskSettings(Group):
    """The service that answers questions with their sources, in the suite's image: a page, and the API of OpenAI."""

    replicas: int = setting(1, 2, "pods", ge=1, le=50)
    cpu_cores: float = setting(0.25, 1, "cores requested by each pod", gt=0, le=64)
    memory_gib: float = setting(1, 2, "memory requested by each pod, and its limit", ge=0.5, le=64)
    key_rotation: int = setting(1, 2, "raise it by one for new keys of all databases", ge=1, le=1_000_000)


class BackupSettings(Trusting):
    """Backups on a schedule, in the suite's image: a CronJob in the namespace that runs `backup`."""

    endpoint: Endpoint = setting(..., "https://backup.example.net", "S3 store of the backups; best another one than Milvus's")
    bucket: names.BucketName = setting(..., "rag-backups", "their bucket; it must be there, and is neither of the stack's own")
    region: PlainText = setting("us-east-1", "us-east-1", "region that requests are signed for", min_length=1)
    secret: names.OperatorsSecret = setting(..., "backup-key", "Secret of the namespace with access_key and secret_key for that bucket")
    ca_file: CaFile | None = setting(None, "/etc/ssl/backup-ca.crt", "PEM file of that store's private CA")
    schedule: str = setting("17 1 * * *", "'17 1 * * *'", "when, as cron has it, in the time zone of the cluster", pattern=_SCHEDULE)
    keep: int = setting(14, 30, "so many of the newest backups stay; 0: all", ge=0, le=10_000)
    cpu_cores: float = setting(0.5, 1, "cores requested", gt=0, le=64)
    memory_gib: float = setting(1, 2, "memory requested, and its limit", ge=0.5, le=64)


class LoadGeneratorSettings(Group):
    """Generators of the gate; they run only while it measures with them."""

    pods: int = setting(2, 4, "most at a time, for which the quota leaves room; 0 for none", ge=0, le=64)
    cpu_cores: float = setting(1, 2, "cores requested by each; one core sends about 1,000 a second", gt=0, le=64)
    memory_gib: float = setting(1, 1, "memory requested by each, and its limit", ge=0.5, le=64)
