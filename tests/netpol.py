"""What network policies allow, by the rules of networking.k8s.io/v1 and nothing else: for tests of the rendered policies.

Two libraries were looked at. network-config-analyzer (PyPI) is no longer developed and pins parsers that we have newer; its successor is a
Go program; their answers were not compared with these. Refuses what it does not know, such as a named port, rather than guess.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class End:
    """A pod, or with no namespace an address outside."""

    namespace: str | None = None
    namespace_labels: Labels = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    ip: str = "10.255.255.255"


def allows(policies: Iterable[Mapping[str, Any]], source: End, target: End, port: int, transport: str = "TCP") -> bool:
    """Whether `source` may open a connection to `port` of `target`: both ends have a say."""
    found = list(policies)
    return _side(found, "Egress", source, target, (port, transport)) and _side(found, "Ingress", target, source, (port, transport))


def _side(policies: list[Mapping[str, Any]], direction: str, here: End, there: End, asked: tuple[int, str]) -> bool:
    """One end's say: everything, if no policy of this direction selects it, else what any of them allows."""
    chosen = [policy for policy in policies if direction in _types(policy["spec"]) and _selected(policy, here)]
    if not chosen:
        return True
    rules = [(policy["metadata"]["namespace"], rule) for policy in chosen for rule in policy["spec"].get(direction.lower(), [])]
    key = "to" if direction == "Egress" else "from"
    return any(_peer_fits(home, rule.get(key), there) and _port_fits(rule.get("ports"), *asked) for home, rule in rules)


def _types(spec: Mapping[str, Any]) -> list[str]:
    """Without policyTypes: Ingress always, Egress where there are rules for it."""
    default = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    found: list[str] = spec.get("policyTypes", default)
    return found


def _selected(policy: Mapping[str, Any], end: End) -> bool:
    return end.namespace == policy["metadata"]["namespace"] and matches(policy["spec"]["podSelector"], end.labels)


def _peer_fits(home: str, peers: list[Mapping[str, Any]] | None, end: End) -> bool:
    return not peers or any(_one_peer_fits(home, peer, end) for peer in peers)


def _one_peer_fits(home: str, peer: Mapping[str, Any], end: End) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ipaddress.ip_address(end.ip)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(part) for part in block.get("except", [])
        )
    if end.namespace is None:
        return False
    in_namespace = matches(peer["namespaceSelector"], end.namespace_labels) if "namespaceSelector" in peer else end.namespace == home
    return in_namespace and matches(peer.get("podSelector", {}), end.labels)


def _port_fits(ports: list[Mapping[str, Any]] | None, port: int, transport: str) -> bool:
    return not ports or any(_one_port_fits(each, port, transport) for each in ports)


def _one_port_fits(allowed: Mapping[str, Any], port: int, transport: str) -> bool:
    if allowed.get("protocol", "TCP") != transport:
        return False
    if "port" not in allowed:
        return True
    if not isinstance(allowed["port"], int):
        raise TypeError(f"port {allowed['port']!r} has a name, and names are not resolved here")
    return bool(allowed["port"] <= port <= allowed.get("endPort", allowed["port"]))


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector chooses these labels; an empty one chooses everything."""
    wanted = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _expression(each, labels) for each in selector.get("matchExpressions", [])
    )


def _expression(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    verdicts = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return verdicts[operator]
