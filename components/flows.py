"""Who may talk to whom: a table of named flows, and nothing besides. Pure; `components.network` makes policies of it.

A flow says who opens a connection, to whom, to which port, and why. What no flow names is denied. Addresses outside are numbers,
since a network policy knows no names: a host that is known by name only, without addresses in the settings, can be told by its port
alone, and `open_flows` says so.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

CLIENT_LABEL = "milvus-x10000/client"
"""Label, with the value "true", of the namespaces whose pods may use Milvus and the model services."""
MONITORING_LABEL = "milvus-x10000/monitoring"
"""Label, with the value "true", of the namespaces whose pods may read metrics."""
NAME = "app.kubernetes.io/name"
COMPONENT = "component"

MILVUS_PORT, METRICS_PORT = 19530, 9091
ETCD_CLIENT_PORT, ETCD_PEER_PORT = 2379, 2380
_SCHEME_PORTS = {"http": 80, "https": 443}

Transport = Literal["TCP", "UDP"]


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Pods of the namespace with these labels; all of them without any."""

    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Namespaces:
    """All pods of other namespaces that carry this label."""

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Addresses that are no pods; every address without any."""

    host: str
    cidrs: tuple[str, ...] = ()


Peer = Pods | Namespaces | Outside


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One row of the table."""

    name: str
    source: Peer
    target: Peer
    ports: tuple[tuple[Transport, int | None], ...]
    """None: every port of that transport."""
    why: str
    """One sentence."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something outside the namespace that parts of it use."""

    name: str
    """Word for it in the name of a flow, such as `store`."""
    url: str
    """scheme://host[:port]."""
    users: tuple[str, ...]
    """Parts that use it, by the value of their label NAME."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What there is in the namespace and around it, as far as flows depend on it."""

    cluster: bool
    """Milvus is several processes that talk to each other."""
    etcd: bool
    """The chart's own etcd runs in the namespace."""
    services: Mapping[str, int]
    """Port of each model service in the namespace, by its name."""
    client_cidrs: tuple[str, ...] = ()
    """Addresses outside the cluster that clients of Milvus come from."""
    endpoints: tuple[Endpoint, ...]
    """What is used outside: the store always, an external etcd or model where there is one."""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """CIDRs of hosts that are known by name."""
    dns: tuple[Namespaces | Outside, ...] = (Namespaces(label="kubernetes.io/metadata.name", value="kube-system"),)
    dns_port: int = 53


def table(layout: Layout) -> tuple[Flow, ...]:
    """Every flow of this layout."""
    return (*_dns(layout), *_inside_milvus(layout), *_clients(layout), *_suite(layout), *_metrics(layout), *_outside(layout))


def open_flows(flows: Iterable[Flow]) -> list[tuple[Flow, str]]:
    """Flows to a host that is known by its name alone: their policies let its port through to every address."""
    return [(flow, flow.target.host) for flow in flows if isinstance(flow.target, Outside) and not flow.target.cidrs]


def part(name: str) -> Pods:
    """Pods of one part."""
    return Pods(labels={NAME: name})


MILVUS = part("milvus")
SUITE = part("suite")


def _door(layout: Layout) -> Pods:
    """Where clients of Milvus come in."""
    return Pods(labels={NAME: "milvus", COMPONENT: "proxy" if layout.cluster else "standalone"})


def _dns(layout: Layout) -> Sequence[Flow]:
    ports: tuple[tuple[Transport, int | None], ...] = (("UDP", layout.dns_port), ("TCP", layout.dns_port))
    why = "every part finds the others by name"
    names = ["pods-to-dns", *(f"pods-to-dns-{number}" for number in range(2, len(layout.dns) + 1))]
    return [Flow(name=name, source=Pods(), target=to, ports=ports, why=why) for name, to in zip(names, layout.dns, strict=True)]


def _inside_milvus(layout: Layout) -> list[Flow]:
    found = []
    if layout.cluster:
        why = "proxies, coordinators and nodes of one Milvus call each other; they are one trust, so no port is singled out"
        found.append(Flow(name="milvus-to-milvus", source=MILVUS, target=MILVUS, ports=(("TCP", None),), why=why))
    if layout.etcd:
        etcd = part("etcd")
        why = "Milvus keeps its metadata and its locks there"
        found.append(Flow(name="milvus-to-etcd", source=MILVUS, target=etcd, ports=(("TCP", ETCD_CLIENT_PORT),), why=why))
        peers: tuple[tuple[Transport, int | None], ...] = (("TCP", ETCD_CLIENT_PORT), ("TCP", ETCD_PEER_PORT))
        found.append(Flow(name="etcd-to-etcd", source=etcd, target=etcd, ports=peers, why="members of one etcd agree on every write"))
    return found


def _clients(layout: Layout) -> list[Flow]:
    clients, door = Namespaces(label=CLIENT_LABEL, value="true"), _door(layout)
    why = "applications in namespaces that the operator labelled search and ingest"
    found = [Flow(name="clients-to-milvus", source=clients, target=door, ports=(("TCP", MILVUS_PORT),), why=why)]
    if layout.client_cidrs:
        outside, why = (
            Outside(host="clients", cidrs=layout.client_cidrs),
            "clients outside the cluster, at addresses that the settings name",
        )
        found.append(Flow(name="outside-to-milvus", source=outside, target=door, ports=(("TCP", MILVUS_PORT),), why=why))
    for name, port in layout.services.items():
        why = f"applications in namespaces that the operator labelled use the service {name}"
        found.append(Flow(name=f"clients-to-{name}", source=clients, target=part(name), ports=(("TCP", port),), why=why))
    return found


def _suite(layout: Layout) -> list[Flow]:
    why = "the gate ingests, searches and compares"
    found = [Flow(name="suite-to-milvus", source=SUITE, target=_door(layout), ports=(("TCP", MILVUS_PORT),), why=why)]
    for name, port in layout.services.items():
        why = f"the gate measures the service {name}"
        found.append(Flow(name=f"suite-to-{name}", source=SUITE, target=part(name), ports=(("TCP", port),), why=why))
    return found


def _metrics(layout: Layout) -> list[Flow]:
    watching, why = Namespaces(label=MONITORING_LABEL, value="true"), "Prometheus reads the metrics"
    ports = {"milvus": METRICS_PORT, **layout.services}
    return [
        Flow(name=f"monitoring-to-{name}", source=watching, target=part(name), ports=(("TCP", port),), why=why)
        for name, port in ports.items()
    ]


def _outside(layout: Layout) -> list[Flow]:
    return [
        Flow(
            name=f"{user}-to-{endpoint.name}",
            source=part(user),
            target=Outside(host=_host(endpoint.url), cidrs=addresses(endpoint.url, layout.addresses)),
            ports=(("TCP", port_of(endpoint.url)),),
            why=endpoint.why,
        )
        for endpoint in layout.endpoints
        for user in endpoint.users
    ]


def addresses(url: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """CIDRs of the host of `url`: itself where it is a number, else what the settings know of it."""
    host = _host(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return known.get(host, ())
    return (f"{address}/{address.max_prefixlen}",)


def port_of(url: str) -> int:
    """Port of `url`, by its scheme where it names none."""
    parts = urlsplit(url)
    return parts.port if parts.port is not None else _SCHEME_PORTS.get(parts.scheme, _SCHEME_PORTS["https"])


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
