"""The preflight in a pod: the store seen from inside the cluster, as Milvus will see it, before Milvus is there.

Owns the template of the pod, for rules, quota and network policies to see, and one run of it as a Job (`components.preflight_run`); the
policies let it, as part `suite`, out to the store. It takes the very Secret, CA and endpoint that Milvus is given. The Job's name carries
a hash of all that it does: whatever changes for Milvus (key, CA, bucket, image of the suite) is a new Job, and what has not changed is not
asked again. One that failed is made anew by the next `pulumi up`.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import pods
from components.component import Component
from components.flows import SUITE
from components.milvus_values import CA_ANNOTATION, CREDENTIAL_ANNOTATION, SERVICE_NAME, MilvusStore
from components.pods import NO_OPTIONS, PodOptions, Resources
from components.preflight_run import CONTAINER, PreflightRun, PreflightRunProvider
from components.trust import CA_KEY

_LABELS = {**SUITE.labels, **pods.PART_OF}
_CREDENTIAL = "/run/credential"
_TRUST = "/run/object-store-ca"
_REPORT = "/tmp/report"  # noqa: S108  a path in the container
_QUICK = Resources(cpu_cores=0.1, memory_gib=0.5)
_MEASURING = Resources(cpu_cores=0.5, memory_gib=4)  # 32 objects of 64 MiB at a time are 2 GiB


@dataclass(frozen=True, kw_only=True)
class PreflightArgs:
    """What to look at, and with what."""

    namespace: pulumi.Input[str]
    account: pulumi.Input[str]
    """Service account of the suite."""
    image: str
    """The suite's own image."""
    store: MilvusStore
    other_bucket: pulumi.Input[str]
    """A bucket that Milvus's key must not open: the documents'."""
    wal: str
    """Milvus's write-ahead log, which decides what the store must be able to do."""
    performance: bool
    """Measure latency and throughput too: minutes instead of seconds."""
    options: PodOptions = NO_OPTIONS
    cluster_domain: str = "cluster.local"


class Preflight(Component):
    """The preflight; whatever depends on it is not made unless the store passed."""

    job_name: pulumi.Output[str]
    """Name of the Job, for `kubectl logs job/NAME`."""

    def __init__(self, name: str, args: PreflightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        template = pod_template(args)
        digest = pulumi.Output.json_dumps(template, sort_keys=True).apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:10])
        self.job_name = pulumi.Output.format("{0}-{1}", name, digest)
        metadata: Any = {"name": CONTAINER, "namespace": args.namespace, "labels": _LABELS}
        made = k8s.core.v1.PodTemplate(f"{name}-template", metadata=metadata, template=template, opts=self._own)
        inputs = {"namespace": args.namespace, "template": made.metadata["name"], "job": self.job_name}
        PreflightRun(PreflightRunProvider(), f"{name}-run", inputs, self._own)
        self.register_outputs({"job_name": self.job_name})


def needs(*, performance: bool) -> Resources:
    """What the pod takes while it runs."""
    return _MEASURING if performance else _QUICK


def pod_template(args: PreflightArgs) -> Any:  # noqa: ANN401  plain data in a typed API
    """The pod. It is marked with what the credential's and the CA's contents are, so that a new content is a new Job."""
    annotations = {CREDENTIAL_ANNOTATION: args.store.credential_generation, CA_ANNOTATION: args.store.ca_sha256}
    sources: dict[str, tuple[str, dict[str, Any]]] = {
        "credential": (_CREDENTIAL, {"secret": {"secretName": args.store.secret_name, "defaultMode": 0o440}})
    }
    if args.store.ca_sha256:
        sources["object-store-ca"] = (_TRUST, {"configMap": {"name": args.store.ca_config_map}})
    mounts, volumes = pods.mounted(sources)
    container = {
        "name": CONTAINER,
        "image": args.image,
        "args": _arguments(args),
        "resources": needs(performance=args.performance).manifest(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    spec = pods.pod(args.account, args.options, container, volumes, restartPolicy="Never")
    return {"metadata": args.options.metadata(_LABELS, annotations, job=True), "spec": spec}


def _arguments(args: PreflightArgs) -> list[pulumi.Input[str]]:
    store = args.store
    options: dict[str, pulumi.Input[str]] = {
        "--endpoint": store.endpoint,
        "--region": store.region,
        "--bucket": store.bucket,
        "--root-path": store.root_path,
        "--credential-dir": _CREDENTIAL,
        "--other-bucket": args.other_bucket,
        "--wal": args.wal,
        # once this name resolves, what is below the root path is this Milvus's own
        "--milvus-uri": pulumi.Output.format("http://{0}.{1}.svc.{2}", SERVICE_NAME, args.namespace, args.cluster_domain),
        "--out": _REPORT,
    }
    if store.ca_sha256:
        options["--ca-file"] = f"{_TRUST}/{CA_KEY}"
    given = [part for option in options.items() for part in option]
    return ["preflight", *given] if args.performance else ["preflight", *given, "--no-performance"]
