"""The preflight inside the cluster as the settings ask for it."""

import pulumi

from components.object_store import ObjectStore
from components.preflight import Preflight, PreflightArgs
from components.tenancy import Tenancy
from components.trust import Trust
from stacks.parts import milvus
from stacks.settings import Settings

_NOT_CHECKED = (
    "nothing looks at the object store from inside the cluster before Milvus is installed: whether pods resolve its name, reach it through "
    "the network policies and trust its certificate, and whether the Secret opens the bucket, is found out by Milvus itself, which waits "
    "for ever when it does not. Cure: build the suite's image (docs/suite-image.md) and name it in milvus-x10000:images.suite"
)


def declare(settings: Settings, tenancy: Tenancy, store: ObjectStore, documents: ObjectStore, trust: Trust) -> list[Preflight]:
    """Return what Milvus has to wait for: the Job, or nothing and a warning without an image for it."""
    if settings.images.suite is None:
        pulumi.log.warn(_NOT_CHECKED)
        return []
    args = PreflightArgs(
        namespace=tenancy.namespace,
        account=tenancy.accounts["suite"],
        image=settings.images.suite,
        store=milvus.data(settings, store, trust),
        other_bucket=documents.bucket,
        wal=settings.milvus.wal,
        performance=settings.preflight.performance,
        options=settings.pod_options,
        cluster_domain=settings.cluster.domain,
    )
    return [Preflight("preflight", args, pulumi.ResourceOptions(depends_on=[tenancy]))]  # its network policies let the Job out
