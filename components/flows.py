"""Who may talk to whom: a table of named flows, the network policies that allow exactly these, and nothing besides. Pure.

A flow says who opens a connection, to whom, to which port, and why. Addresses outside are numbers, since a network policy knows no names: a
host without addresses in the settings is allowed by its port alone, and `open_flows` says so. A flow between two pods needs two policies,
`NAME-out` and `NAME-in`, since each end has a say. Honest limits: a policy holds only where the cluster's network plugin enforces it; it is
about pods, so an init container may do what its pod may; and traffic from the node itself (probes) is always let in.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

CLIENT_LABEL = "milvus-x10000/client"  # label, with the value "true", of the namespaces whose pods may use Milvus and the model services
MONITORING_LABEL = "milvus-x10000/monitoring"  # label, with the value "true", of the namespaces whose pods may read metrics
DENY = "default-deny"
WHY_DENY = "what no other policy allows is denied, in and out"
NAME = "app.kubernetes.io/name"
COMPONENT = "component"
MILVUS_PORT, METRICS_PORT = 19530, 9091
ETCD_CLIENT_PORT, ETCD_PEER_PORT = 2379, 2380
ASK_PORT = 8080
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
    ports: tuple[tuple[Transport, int | None], ...]  # None: every port of that transport
    why: str


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something outside the namespace that parts of it use."""

    name: str  # word for it in the name of a flow, such as `store`
    url: str  # scheme://host[:port]
    users: tuple[str, ...]  # parts that use it, by the value of their label NAME
    why: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What there is in the namespace and around it, as far as flows depend on it."""

    cluster: bool  # Milvus is several processes that talk to each other
    etcd: bool  # the chart's own etcd runs in the namespace
    services: Mapping[str, int]  # port of each model service in the namespace, by its name
    client_cidrs: tuple[str, ...] = ()  # addresses outside the cluster that clients of Milvus come from
    endpoints: tuple[Endpoint, ...]  # what is used outside: the store always, an external etcd or model where there is one
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # CIDRs of hosts that are known by name
    dns: tuple[Namespaces | Outside, ...] = (Namespaces(label="kubernetes.io/metadata.name", value="kube-system"),)
    dns_port: int = 53
    ask: bool = False  # the service of questions runs in the namespace


def table(layout: Layout) -> tuple[Flow, ...]:
    """Every flow of this layout."""
    return (*_inside(layout), *_users(layout), *_around(layout))


def open_flows(flows: Iterable[Flow]) -> list[tuple[Flow, str]]:
    """Flows to a host that is known by its name alone: their policies let its port through to every address."""
    return [(flow, flow.target.host) for flow in flows if isinstance(flow.target, Outside) and not flow.target.cidrs]


def part(name: str) -> Pods:
    """Pods of one part."""
    return Pods(labels={NAME: name})


MILVUS = part("milvus")
SUITE = part("suite")
ASK = part("ask")


def _flow(name: str, source: Peer, target: Peer, why: str, *ports: int | None) -> Flow:
    return Flow(name=name, source=source, target=target, ports=tuple(("TCP", port) for port in ports), why=why)


def _inside(layout: Layout) -> Iterator[Flow]:
    ports: tuple[tuple[Transport, int | None], ...] = (("UDP", layout.dns_port), ("TCP", layout.dns_port))
    for number, server in enumerate(layout.dns, 1):
        name = "pods-to-dns" if number == 1 else f"pods-to-dns-{number}"
        yield Flow(name=name, source=Pods(), target=server, ports=ports, why="every part finds the others by name")
    etcd = part("etcd")
    if layout.cluster:
        why = "proxies, coordinators and nodes of one Milvus call each other; they are one trust, so no port is singled out"
        yield _flow("milvus-to-milvus", MILVUS, MILVUS, why, None)
    if layout.etcd:
        yield _flow("milvus-to-etcd", MILVUS, etcd, "Milvus keeps its metadata and its locks there", ETCD_CLIENT_PORT)
        yield _flow("etcd-to-etcd", etcd, etcd, "members of one etcd agree on every write", ETCD_CLIENT_PORT, ETCD_PEER_PORT)


def _users(layout: Layout) -> Iterator[Flow]:
    clients = Namespaces(label=CLIENT_LABEL, value="true")
    door = Pods(labels={NAME: "milvus", COMPONENT: "proxy" if layout.cluster else "standalone"})
    why = "applications in namespaces that the operator labelled search and ingest"
    yield _flow("clients-to-milvus", clients, door, why, MILVUS_PORT)
    if layout.client_cidrs:
        outside = Outside(host="clients", cidrs=layout.client_cidrs)
        yield _flow("outside-to-milvus", outside, door, "clients outside the cluster, at addresses that the settings name", MILVUS_PORT)
    for name, port in layout.services.items():
        why = f"applications in namespaces that the operator labelled use the service {name}"
        yield _flow(f"clients-to-{name}", clients, part(name), why, port)
    yield _flow("suite-to-milvus", SUITE, door, "the gate ingests, searches and compares", MILVUS_PORT)
    for name, port in layout.services.items():
        yield _flow(f"suite-to-{name}", SUITE, part(name), f"the gate measures the service {name}", port)
    if layout.ask:
        yield _flow("clients-to-ask", clients, ASK, "users and front ends ask questions", ASK_PORT)
        yield _flow("suite-to-ask", SUITE, ASK, "the gate measures what users are served", ASK_PORT)
        yield _flow("ask-to-milvus", ASK, door, "passages for a question", MILVUS_PORT)
        for name, port in layout.services.items():
            yield _flow(f"ask-to-{name}", ASK, part(name), f"a question uses the service {name}", port)


def _around(layout: Layout) -> Iterator[Flow]:
    monitoring = Namespaces(label=MONITORING_LABEL, value="true")
    for name, port in {"milvus": METRICS_PORT, **layout.services, **({"ask": ASK_PORT} if layout.ask else {})}.items():
        yield _flow(f"monitoring-to-{name}", monitoring, part(name), "Prometheus reads the metrics", port)
    for endpoint in layout.endpoints:
        url = urlsplit(endpoint.url)
        port = url.port if url.port is not None else _SCHEME_PORTS.get(url.scheme, _SCHEME_PORTS["https"])
        target = Outside(host=url.hostname or "", cidrs=addresses(endpoint.url, layout.addresses))
        for user in endpoint.users:
            yield _flow(f"{user}-to-{endpoint.name}", part(user), target, endpoint.why, port)


def addresses(url: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """CIDRs of the host of `url`: itself where it is a number, else what the settings know of it."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return known.get(host, ())
    return (f"{address}/{address.max_prefixlen}",)


def policies(flows: Iterable[Flow]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Reason and `spec` of each NetworkPolicy, by its name: all is denied, and then each flow is allowed."""
    specs = {DENY: (WHY_DENY, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})}
    for flow in flows:
        both = isinstance(flow.source, Pods) and isinstance(flow.target, Pods)
        if isinstance(flow.source, Pods):
            specs[f"{flow.name}-out" if both else flow.name] = (flow.why, _policy(flow.source, "Egress", "to", flow.target, flow))
        if isinstance(flow.target, Pods):
            specs[f"{flow.name}-in" if both else flow.name] = (flow.why, _policy(flow.target, "Ingress", "from", flow.source, flow))
    return specs


def _policy(pods: Pods, direction: str, key: str, peer: Peer, flow: Flow) -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": [{"protocol": name, **({} if port is None else {"port": port})} for name, port in flow.ports]}
    if isinstance(peer, Pods):
        rule[key] = [{"podSelector": _selector(peer)}]
    elif isinstance(peer, Namespaces):
        rule[key] = [{"namespaceSelector": {"matchLabels": {peer.label: peer.value}}}]
    elif peer.cidrs:  # without any: every address
        rule[key] = [{"ipBlock": {"cidr": cidr}} for cidr in peer.cidrs]
    return {"podSelector": _selector(pods), "policyTypes": [direction], direction.lower(): [rule]}


def _selector(pods: Pods) -> dict[str, Any]:
    return {"matchLabels": dict(pods.labels)} if pods.labels else {}
