"""The namespace as the settings ask for it: who may talk to whom in it, whether everything fits, and which addresses residency refuses."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pulumi

from components import flows
from components.flows import Endpoint, Flow, Layout, Namespaces, Outside
from components.milvus_values.shape import Standalone
from components.pods import Resources
from components.quota import Consumer, excess
from components.tenancy import Tenancy, TenancyArgs
from components.weights import copied_gib
from policies.residency import is_inside
from stacks import images
from stacks.images import lock
from stacks.problems import failure, text_of
from stacks.settings import Settings
from stacks.settings.models.serving import Serving
from stacks.settings.object_store import CosiSettings, GreenLakeSettings, S3Settings
from stacks.wiring import milvus, models, suite_pods


def declare(settings: Settings) -> Tenancy:
    """The namespace; pod security is `restricted` but for the chart's own etcd, whose pods cannot be made to fit."""
    refuse_too_much(settings)
    refuse_unused_addresses(settings)
    table = flows.table(layout(settings))
    refuse_open(settings, table)
    for warning in warnings(table):
        pulumi.log.warn(warning)
    suite_account = ("suite", *(("ask",) if settings.ask is not None else ())) if settings.images.suite is not None else ()
    args = TenancyArgs(
        namespace=settings.namespace,
        pod_security="restricted" if settings.milvus.etcd != "bundled" else "baseline",
        flows=table,
        accounts=("milvus", *(("etcd",) if settings.milvus.etcd == "bundled" else ()), *models.ports(settings), *suite_account),
        pull_secrets=settings.registry.pull_secrets,
        quota=settings.quota.quota if settings.quota is not None else None,
        protect=not settings.object_store.deletes,
    )
    return Tenancy("tenancy", args)


def layout(settings: Settings) -> Layout:
    """What flows depend on."""
    network = settings.network
    dns: tuple[Namespaces | Outside, ...] = (Namespaces(label="kubernetes.io/metadata.name", value=network.dns_namespace),)
    if network.dns_addresses:
        dns = (*dns, Outside(host="name server of the node", cidrs=network.dns_addresses))
    return Layout(
        cluster=settings.milvus.mode == "cluster",
        etcd=settings.milvus.etcd == "bundled",
        services=models.ports(settings),
        client_cidrs=settings.access.client_cidrs,
        endpoints=tuple(endpoints(settings)),
        addresses=network.addresses,
        dns=dns,
        dns_port=network.dns_port,
        ask=settings.ask is not None,
    )


def endpoints(settings: Settings) -> list[Endpoint]:
    """Everything outside that parts of the namespace use."""
    chosen, why = settings.milvus, "Milvus keeps its data there, and the gate the original documents"
    users = ("milvus", "suite", *(("ask",) if settings.ask is not None else ()), *models.from_bucket(settings))
    store = Endpoint(name="store", url=settings.object_store.endpoint, users=users, why=why)
    copies = settings.backup
    kept = [Endpoint(name="backups", url=copies.endpoint, users=("suite",), why="backups of Milvus are kept there")] if copies else []
    brokers = chosen.kafka.brokers if chosen.kafka is not None else ()
    proxies = (chosen.pulsar.address,) if chosen.pulsar is not None else ()
    hosts = {"pulsar": proxies, "kafka": brokers, "etcd": chosen.etcd_cluster.endpoints}
    numbered = [(f"{name}-{number}" if number > 1 else name, host) for name, each in hosts.items() for number, host in enumerate(each, 1)]
    why = "Milvus keeps its log or its metadata there"
    external = [Endpoint(name=f"external-{name}", url=f"tcp://{host}", users=("milvus",), why=why) for name, host in numbered]
    return [store, *kept, *external, *models.outside(settings)]


def warnings(table: tuple[Flow, ...]) -> list[str]:
    """What the policies cannot hold, and which setting would let them."""
    opened: dict[str, list[str]] = {}
    for flow, host in flows.open_flows(table):
        opened.setdefault(host, []).append(flow.name)
    return [text_of("flow_open_warning", host=host, names=", ".join(names)) for host, names in opened.items()]


def refuse_open(settings: Settings, table: tuple[Flow, ...]) -> None:
    """SettingsError where images are pinned, as in production, and a flow is open to every address without being asked for."""
    opened = {host for _, host in flows.open_flows(table)}
    asked = set(settings.network.any_address)
    if unused := sorted(asked - opened):
        raise failure("any_address_unused", names=", ".join(unused))
    if settings.images_pinned != "required" or opened <= asked:
        return
    host = min(opened - asked)
    names = ", ".join(sorted(flow.name for flow, target in flows.open_flows(table) if target == host))
    raise failure("flow_open", host=host, names=names)


def consumers(settings: Settings) -> list[Consumer]:
    """Everything that takes something from the quota, at its most."""
    size, etcd, taken = milvus.size(settings.milvus), settings.milvus.etcd_cluster, list[Consumer]()
    surge = 0 if isinstance(size, Standalone) else None
    for name, each in ({"milvus": size.process} if isinstance(size, Standalone) else size.workloads).items():
        most = each.autoscaling.most_replicas if each.autoscaling is not None else each.replicas
        disk = each.ephemeral_storage_gib if each.ephemeral_storage_gib is not None else 0
        taken.append(Consumer(name=name, replicas=most, surge=surge, resources=each.resources, ephemeral_storage_gib=disk))
    if settings.milvus.etcd == "bundled":
        resources = Resources(cpu_cores=etcd.cpu_cores, memory_gib=etcd.memory_gib)
        taken.append(Consumer(name="etcd", replicas=etcd.replicas, surge=0, resources=resources))
    taken += [_of_service(name, service) for name, service in models.here(settings).items()]
    return [*taken, *suite_pods.consumers(settings)]


def _of_service(name: str, service: Serving) -> Consumer:
    weights = service.weights
    copied = weights is not None and weights.source == "bucket" and service.cache is None
    disk = copied_gib(weights.size_gib) if weights is not None and copied else 0
    resources, surge = Resources(cpu_cores=service.cpu_cores, memory_gib=service.memory_gib), 0 if service.old_pod_goes_first else None
    return Consumer(name=name, replicas=service.most_replicas, resources=resources, ephemeral_storage_gib=disk, surge=surge)


def refuse_too_much(settings: Settings) -> None:
    """Tell before anything is created that the quota would keep pods from being made; SettingsError with every consumer."""
    if settings.quota is not None and (reason := excess(settings.quota.quota, consumers(settings))):
        raise failure("quota_exceeded", reason=reason)


def refuse_unused_addresses(settings: Settings) -> None:
    """A host that nothing uses is a typing error, and the host that was meant would stay open."""
    used = {urlsplit(each.url).hostname or "" for each in endpoints(settings)}
    if unused := sorted(set(settings.network.addresses) - used):
        raise failure("address_unused", name=unused[0], used=", ".join(sorted(used)))


def refuse_outside(settings: Settings) -> None:
    """SettingsError with every address that is not on the list, where residency is locked."""
    if settings.residency.mode != "locked":
        return
    chosen = settings.object_store
    if isinstance(chosen, CosiSettings):
        pulumi.log.warn(text_of("residency_of_cosi", chosen=chosen))
    if outside := [f"  {what}: {host}" for what, host in named(settings) if not is_inside(host, allowed(settings))]:
        raise failure("residency", outside="\n".join(outside))


def allowed(settings: Settings) -> tuple[str, ...]:
    """The list, and the names of the cluster itself."""
    return (*settings.residency.allowed, f"*.svc.{settings.cluster.domain}")


def named(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every host that the settings name, with the setting that names it."""
    store, milvus = settings.object_store, settings.milvus
    urls = {f"{endpoint.name} ({endpoint.why})": endpoint.url for endpoint in endpoints(settings)}
    if isinstance(store, S3Settings):
        urls["object_store.iam_endpoint"] = store.iam_endpoint
    if isinstance(store, GreenLakeSettings):
        urls |= {"object_store.api_endpoint": store.api_endpoint, "object_store.token_url": store.token_url}
    if settings.keda is not None:
        urls["keda.prometheus_url"] = settings.keda.prometheus_url
    if repository := milvus.resolved_chart_repository() or (milvus.chart if "://" in milvus.chart else None):
        urls["milvus.chart_repository"] = repository
    yield from ((what, urlsplit(url).hostname or "") for what, url in urls.items())
    for name, image in lock.named(settings).items():
        yield f"images.{name}", urlsplit(f"//{images.parse(image).registry}").hostname or ""
