"""What runs in the suite's own image inside the cluster: the preflight before Milvus, and the load generators of the gate."""

import pulumi

from components.load_generators import LoadGenerators, LoadGeneratorsArgs
from components.pods import Resources
from components.preflight import Preflight, PreflightArgs
from components.preflight import needs as preflight_needs
from components.quota import Consumer
from components.stores import ObjectStore
from components.tenancy import Tenancy
from components.trust import Trust
from stacks.settings import Settings
from stacks.wiring import milvus

_NOT_CHECKED = (
    "nothing looks at the object store from inside the cluster before Milvus is installed: whether pods resolve its name, reach it through "
    "the network policies and trust its certificate, and whether the Secret opens the bucket, is found out by Milvus itself, which waits "
    "for ever when it does not. Cure: build the suite's image (docs/suite-image.md) and name it in milvus-x10000:images.suite"
)


def preflight(settings: Settings, tenancy: Tenancy, store: ObjectStore, documents: ObjectStore, trust: Trust) -> list[Preflight]:
    """Return what Milvus has to wait for: the Job, or nothing and a warning without an image for it."""
    if settings.images.suite is None:
        pulumi.log.warn(_NOT_CHECKED)
        return []
    args = PreflightArgs(
        namespace=tenancy.namespace,
        account=tenancy.accounts["suite"],
        image=settings.images.suite,
        store=milvus.store_of(settings, store, trust),
        other_bucket=documents.bucket,
        wal=settings.milvus.planned_log,
        performance=settings.preflight.performance,
        options=settings.pod_options,
        cluster_domain=settings.cluster.domain,
    )
    return [Preflight("preflight", args, pulumi.ResourceOptions(depends_on=[tenancy]))]  # its network policies let the Job out


def load_generators(
    settings: Settings, tenancy: Tenancy, trust: Trust, *, milvus_ca: pulumi.Output[str] | str, login: pulumi.Output[str] | str
) -> pulumi.Output[str] | str:
    """Name of the pod template that generators are made from; "" without an image for them, or where none is wanted."""
    image = settings.images.suite
    if image is None or not settings.load_generators.pods:
        return ""
    args = LoadGeneratorsArgs(
        namespace=tenancy.namespace,
        account=tenancy.accounts["suite"],
        image=image,
        resources=_generator(settings),
        store_ca_config_map=trust.config_map_name if settings.object_store.ca_pem else None,
        milvus_ca_config_map=milvus_ca if settings.milvus.tls.ca_pem else None,
        login_secret=login if settings.milvus.authentication else None,
        options=settings.pod_options,
    )
    return LoadGenerators("load-generators", args).template


def _generator(settings: Settings) -> Resources:
    return Resources(cpu_cores=settings.load_generators.cpu_cores, memory_gib=settings.load_generators.memory_gib)


def consumers(settings: Settings) -> list[Consumer]:
    """What they take from the quota, at their most."""
    if settings.images.suite is None:
        return []
    needed, pods = preflight_needs(performance=settings.preflight.performance), settings.load_generators.pods
    generators = Consumer(name="load generators", replicas=pods, surge=0, resources=_generator(settings))
    return [Consumer(name="preflight", replicas=1, surge=0, resources=needed), *([generators] if pods else [])]
