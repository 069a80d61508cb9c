"""The namespace as the settings ask for it."""

from components.quantities import Resources
from components.tenancy import Tenancy, TenancyArgs
from stacks.settings import Settings


def declare(settings: Settings) -> Tenancy:
    """Pod security: the chart's own etcd pods cannot be made to fit `restricted`, everything else does."""
    quota = settings.quota
    return Tenancy(
        "tenancy",
        TenancyArgs(
            namespace=settings.namespace,
            pod_security="restricted" if settings.milvus.etcd == "embedded" else "baseline",
            store_endpoint=settings.object_store.endpoint,
            quota=Resources(cpu_cores=quota.cpu_cores, memory_gib=quota.memory_gib) if quota is not None else None,
        ),
    )
