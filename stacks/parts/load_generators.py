"""The load generators of the gate as the settings ask for them."""

import pulumi

from components.load_generators import LoadGenerators, LoadGeneratorsArgs
from components.quantities import Resources
from components.quota import Consumer
from components.tenancy import Tenancy
from components.trust import Trust
from stacks.settings import Settings


def declare(
    settings: Settings, tenancy: Tenancy, trust: Trust, *, milvus_ca: pulumi.Output[str] | str, login: pulumi.Output[str] | str
) -> LoadGenerators | None:
    """What generators are made from; None without an image for them, or where none is wanted."""
    image = settings.images.suite
    if image is None or not settings.load_generators.pods:
        return None
    args = LoadGeneratorsArgs(
        namespace=tenancy.namespace,
        account=tenancy.accounts["suite"],
        image=image,
        resources=needs(settings),
        store_ca_config_map=trust.config_map_name if settings.object_store.ca_pem else None,
        milvus_ca_config_map=milvus_ca if settings.milvus.tls.ca_pem else None,
        login_secret=login if settings.milvus.authentication else None,
        options=settings.pod_options,
    )
    return LoadGenerators("load-generators", args)


def template(declared: LoadGenerators | None) -> pulumi.Output[str] | str:
    """Name of the pod template, "" where there is none."""
    return declared.template if declared is not None else ""


def needs(settings: Settings) -> Resources:
    """What one takes while it runs."""
    return Resources(cpu_cores=settings.load_generators.cpu_cores, memory_gib=settings.load_generators.memory_gib)


def consumers(settings: Settings) -> list[Consumer]:
    """What they take from the quota, at their most."""
    chosen = settings.load_generators
    if settings.images.suite is None or not chosen.pods:
        return []
    return [Consumer(name="load generators", replicas=chosen.pods, surge=0, resources=needs(settings))]
