"""The model services as the settings ask for them."""

import pulumi

from components.component import Trust
from components.engines import ENGINES
from components.engines.engine import Version
from components.flows import Endpoint
from components.model_server import ModelServerArgs
from components.models import Embedding, External, Llm, ModelArgs, Reranker
from components.pods import Resources
from components.tenancy import Tenancy
from components.weights import Bucket, Cache, Hub, Source, Volume, WeightsAccess
from stacks.settings import Settings
from stacks.settings.models import version
from stacks.settings.models.serving import Serving
from stacks.settings.object_store import S3Settings
from stacks.wiring import object_store

HUB = "https://huggingface.co"
"""Where the engines' hub client looks; the files themselves come from other hosts, so a policy that names addresses has to allow those."""


def declare(settings: Settings, tenancy: Tenancy, trust: Trust) -> tuple[Embedding, Llm, Reranker | None]:
    """The services, the reranker where one is asked for; also says what an operator should know of all of them."""
    for note in notes(settings):
        pulumi.log.info(note)
    args = {name: _args(name, each, settings, tenancy, trust) for name, each in settings.model_services.items() if each is not None}
    reranker = Reranker("reranker", args["reranker"]) if "reranker" in args else None
    return Embedding("embedding", args["embedding"]), Llm("llm", args["llm"]), reranker


def here(settings: Settings) -> dict[str, Serving]:
    """Settings of each service that runs in the namespace, by its name."""
    return {name: each for name, each in settings.model_services.items() if each is not None and each.runs_here}


def ports(settings: Settings) -> dict[str, int]:
    """Port of each service that runs in the namespace."""
    return {name: ENGINES[each.engine].port for name, each in here(settings).items()}


def notes(settings: Settings) -> list[str]:
    """What an operator should know of the engines, and what of them could not be judged."""
    services = here(settings).items()
    return [f"{name}: {note}" for name, each in services for note in ENGINES[each.engine].notes(each.served(_version(name, settings)))]


def _version(name: str, settings: Settings) -> Version | None:
    return version(here(settings)[name], getattr(settings.images, name))


def from_bucket(settings: Settings) -> list[str]:
    """Services whose weights are copied from the object store."""
    return [name for name, each in here(settings).items() if each.weights is not None and each.weights.source == "bucket"]


def outside(settings: Settings) -> list[Endpoint]:
    """What lies outside the namespace besides the store: services that somebody else runs, and the hub."""
    users = ("suite", "ask") if settings.ask is not None else ("suite",)
    external = [
        Endpoint(name=name, url=each.external.url, users=users, why=f"the gate measures the service {name}, which somebody else runs")
        for name, each in settings.model_services.items()
        if each is not None and each.external is not None
    ]
    downloading = tuple(name for name, each in here(settings).items() if each.weights is not None and each.weights.downloads)
    hub = Endpoint(name="hub", url=HUB, users=downloading, why="weights are downloaded from the hub, once a cache volume")
    return [*external, *([hub] if downloading else [])]


def _args(name: str, chosen: Serving, settings: Settings, tenancy: Tenancy, trust: Trust) -> ModelArgs:
    if chosen.external is not None:
        outside = chosen.external
        external = External(namespace=tenancy.namespace, url=outside.url, secret_name=outside.secret_name, ca_pem=chosen.ca_pem)
        return ModelArgs(served=external, model=chosen.model)
    keda = settings.keda.prometheus_url if settings.keda is not None else ""
    served = ModelServerArgs(
        namespace=tenancy.namespace,
        namespace_name=settings.namespace,
        account=tenancy.accounts[name],
        image=str(getattr(settings.images, name)),
        engine=ENGINES[chosen.engine].container(chosen.served(_version(name, settings))),
        resources=Resources(cpu_cores=chosen.cpu_cores, memory_gib=chosen.memory_gib),
        replicas=chosen.replicas,
        gpu=chosen.gpu.to_args(settings.pod_options) if chosen.gpu is not None else None,
        weights=_weights(name, chosen, settings, tenancy, trust),
        size_gib=chosen.weights.size_gib if chosen.weights is not None else 0,
        cache=Cache(**chosen.cache.model_dump()) if chosen.cache is not None else None,
        scaling=chosen.scaling.to_args(keda) if chosen.scaling is not None else None,
        rotation=chosen.key_rotation,
        options=settings.pod_options,
        monitor_labels=settings.monitoring.labels if settings.monitoring.enabled else None,
        cluster_domain=settings.cluster.domain,
    )
    return ModelArgs(served=served, model=chosen.model)


def _weights(name: str, chosen: Serving, settings: Settings, tenancy: Tenancy, trust: Trust) -> Source | None:
    weights = chosen.weights
    if weights is None or weights.source == "image":
        return None
    if weights.source == "volume":
        return Volume(claim=weights.claim or "", path=weights.folder)
    if weights.source == "hub":
        return Hub(token_secret=weights.token_secret)
    store, bucket = settings.object_store, weights.bucket or ""
    secret_name: pulumi.Input[str] | None = weights.secret_name
    if secret_name is None and isinstance(store, S3Settings):  # the settings refuse a store on which no user can be made
        user, owner, namespace = f"{settings.namespace}-{name}-weights", object_store.owner(tenancy), tenancy.namespace
        s3 = object_store.s3_store(store)
        reader = WeightsAccess(f"{name}-weights", store=s3, bucket=bucket, user=user, owner=owner, namespace=namespace)
        secret_name = reader.secret_name  # of a user that may read that bucket and nothing else
    place = {"endpoint": store.endpoint, "region": store.region, "bucket": bucket, "prefix": weights.prefix}
    authority, image = trust.config_map_name if store.ca_pem else None, str(settings.images.suite)
    return Bucket(**place, secret_name=secret_name if secret_name is not None else "", ca_config_map=authority, image=image)
