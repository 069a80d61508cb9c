"""Who may talk to whom: a table of named flows (flows.yaml), the network policies that allow exactly these, and nothing besides. Pure.

A flow says who opens a connection, to whom, to which port, and why. Addresses outside are numbers, since a network policy knows no names: a
host without addresses in the settings is allowed by its port alone, and `open_flows` says so. A flow between two pods needs two policies,
`NAME-out` and `NAME-in`, since each end has a say. Honest limits: a policy holds only where the cluster's network plugin enforces it; it is
about pods, so an init container may do what its pod may; and traffic from the node itself (probes) is always let in.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

CLIENT_LABEL = "milvus-x10000/client"  # label, with the value "true", of the namespaces whose pods may use Milvus and the model services
MONITORING_LABEL = "milvus-x10000/monitoring"  # label, with the value "true", of the namespaces whose pods may read metrics
DENY = "default-deny"
WHY_DENY = "what no other policy allows is denied, in and out"
NAME = "app.kubernetes.io/name"
COMPONENT = "component"
_TABLE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_PORTS: dict[str, Any] = _TABLE["ports"]
MILVUS_PORT, ASK_PORT = int(_PORTS["milvus"]), int(_PORTS["ask"])
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
    return (*_dns(layout), *_named(layout), *_outside(layout))


def open_flows(flows: Iterable[Flow]) -> list[tuple[Flow, str]]:
    """Flows to a host that is known by its name alone: their policies let its port through to every address."""
    return [(flow, flow.target.host) for flow in flows if isinstance(flow.target, Outside) and not flow.target.cidrs]


def part(name: str) -> Pods:
    """Pods of one part."""
    return Pods(labels={NAME: name})


SUITE = part("suite")
ASK = part("ask")


def _dns(layout: Layout) -> Iterator[Flow]:
    ports: tuple[tuple[Transport, int | None], ...] = (("UDP", layout.dns_port), ("TCP", layout.dns_port))
    for number, server in enumerate(layout.dns, 1):
        name = "pods-to-dns" if number == 1 else f"pods-to-dns-{number}"
        yield Flow(name=name, source=Pods(), target=server, ports=ports, why="every part finds the others by name")


def _named(layout: Layout) -> Iterator[Flow]:
    parties: dict[str, Peer] = {name: part(name) for name in ("milvus", "etcd", "suite", "ask", *layout.services)}
    parties["door"] = Pods(labels={NAME: "milvus", COMPONENT: "proxy" if layout.cluster else "standalone"})
    parties["clients"] = Namespaces(label=CLIENT_LABEL, value="true")
    parties["monitoring"] = Namespaces(label=MONITORING_LABEL, value="true")
    parties["outside"] = Outside(host="clients", cidrs=layout.client_cidrs)
    for row in (row for row in _TABLE["flows"] if "when" not in row or getattr(layout, row["when"])):
        for service, own_port in layout.services.items() if row["to"] == "service" else [("", None)]:
            source, target, known = row["from"], service or row["to"], {**_PORTS, "service": own_port}
            ports: tuple[tuple[Transport, int | None], ...] = tuple(("TCP", known[port]) for port in row["ports"])
            name, why = f"{source}-to-{'milvus' if target == 'door' else target}", row["why"].format(service=service)
            yield Flow(name=name, source=parties[source], target=parties[target], ports=ports, why=why)


def _outside(layout: Layout) -> Iterator[Flow]:
    for endpoint in layout.endpoints:
        url = urlsplit(endpoint.url)
        port = url.port if url.port is not None else _SCHEME_PORTS.get(url.scheme, _SCHEME_PORTS["https"])
        target = Outside(host=url.hostname or "", cidrs=addresses(endpoint.url, layout.addresses))
        for user in endpoint.users:
            yield Flow(name=f"{user}-to-{endpoint.name}", source=part(user), target=target, ports=(("TCP", port),), why=endpoint.why)


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
