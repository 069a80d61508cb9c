"""The namespace as the settings ask for it: who may talk to whom in it, and whether everything fits."""

from urllib.parse import urlsplit

import pulumi

from components import flows, preflight
from components.flows import Endpoint, Flow, Layout, Namespaces, Outside
from components.quantities import Resources
from components.quota import Consumer, excess
from components.tenancy import Tenancy, TenancyArgs
from stacks.parts import models
from stacks.problems import SettingsError
from stacks.settings import PROJECT, Settings


def declare(settings: Settings) -> Tenancy:
    """Pod security: the chart's own etcd pods cannot be made to fit `restricted`, everything else does."""
    refuse_too_much(settings)
    refuse_unused_addresses(settings)
    found = flows.table(layout(settings))
    for warning in warnings(found):
        pulumi.log.warn(warning)
    return Tenancy(
        "tenancy",
        TenancyArgs(
            namespace=settings.namespace,
            pod_security="restricted" if settings.milvus.etcd == "embedded" else "baseline",
            flows=found,
            accounts=("milvus", *services(settings), *(("suite",) if settings.images.suite is not None else ())),
            quota=settings.quota.quota if settings.quota is not None else None,
        ),
    )


def layout(settings: Settings) -> Layout:
    """What flows depend on."""
    network = settings.network
    dns: tuple[Namespaces | Outside, ...] = (Namespaces(label="kubernetes.io/metadata.name", value=network.dns_namespace),)
    if network.dns_addresses:
        dns = (*dns, Outside(host="name server of the node", cidrs=network.dns_addresses))
    return Layout(
        cluster=False,
        etcd=settings.milvus.etcd == "bundled",
        services=services(settings),
        endpoints=tuple(endpoints(settings)),
        addresses=network.addresses,
        dns=dns,
        dns_port=network.dns_port,
    )


def services(settings: Settings) -> dict[str, int]:
    """Port of each model service that runs in the namespace."""
    return models.ports(settings)


def endpoints(settings: Settings) -> list[Endpoint]:
    """Everything outside that parts of the namespace use."""
    why = "Milvus keeps its data there, and the gate the original documents"
    users = ("milvus", "suite", *models.from_bucket(settings))
    return [Endpoint(name="store", url=settings.object_store.endpoint, users=users, why=why), *models.outside(settings)]


def warnings(found: tuple[Flow, ...]) -> list[str]:
    """What the policies cannot hold, and which setting would let them."""
    opened: dict[str, list[str]] = {}
    for flow, host in flows.open_flows(found):
        opened.setdefault(host, []).append(flow.name)
    return [
        f"{host} is known by its name, and a network policy knows no names: {', '.join(names)} may reach the port at every address. "
        f"To close that: pulumi config set --path '{PROJECT}:network.addresses[\"{host}\"][0]' ADDRESS/32"
        for host, names in opened.items()
    ]


def consumers(settings: Settings) -> list[Consumer]:
    """Everything that takes something from the quota, at its most."""
    milvus = settings.milvus
    return [
        Consumer(name="milvus", replicas=1, surge=0, resources=Resources(cpu_cores=milvus.cpu_cores, memory_gib=milvus.memory_gib)),
        *(
            Consumer(
                name=name,
                replicas=each.most_replicas,
                resources=Resources(cpu_cores=each.cpu_cores, memory_gib=each.memory_gib),
                ephemeral_storage_gib=each.disk_gib,
                surge=0 if each.old_pod_goes_first else None,
            )
            for name, each in models.here(settings).items()
        ),
        *([_preflight(settings)] if settings.images.suite is not None else []),
    ]


def _preflight(settings: Settings) -> Consumer:
    return Consumer(name="preflight", replicas=1, surge=0, resources=preflight.needs(performance=settings.preflight.performance))


def refuse_too_much(settings: Settings) -> None:
    """Tell before anything is created that the quota would keep pods from being made; SettingsError with every consumer."""
    if settings.quota is None:
        return
    reason = excess(settings.quota.quota, consumers(settings))
    if reason:
        raise SettingsError(f"{PROJECT}:quota {reason}\n  raise it: pulumi config set --path {PROJECT}:quota.memory_gib NUMBER")


def refuse_unused_addresses(settings: Settings) -> None:
    """A host that nothing uses is a typing error, and the host that was meant would stay open."""
    used = {urlsplit(each.url).hostname or "" for each in endpoints(settings)}
    unused = sorted(set(settings.network.addresses) - used)
    if unused:
        raise SettingsError(f"{PROJECT}:network.addresses names {unused[0]!r}, and nothing uses it; used are: {', '.join(sorted(used))}")
