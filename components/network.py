"""Network policies: everything is denied, and then exactly the flows of a table are allowed. Pure: the `spec` of each NetworkPolicy.

A flow between two pods needs two policies, since each end has a say: `NAME-out` and `NAME-in`.
Honest limits: a policy holds only where the cluster's network plugin enforces it; it knows addresses, no names; it is about pods, so
an init container may do what its pod may; and traffic from the node itself (probes) is always let in.
"""

from collections.abc import Iterable
from typing import Any

from components.flows import Flow, Namespaces, Outside, Peer, Pods

DENY = "default-deny"
WHY_DENY = "what no other policy allows is denied, in and out"


def policies(flows: Iterable[Flow]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Reason and spec of each policy, by its name."""
    found = {DENY: (WHY_DENY, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})}
    for flow in flows:
        both = isinstance(flow.source, Pods) and isinstance(flow.target, Pods)
        if isinstance(flow.source, Pods):
            found[f"{flow.name}-out" if both else flow.name] = (flow.why, _egress(flow.source, flow))
        if isinstance(flow.target, Pods):
            found[f"{flow.name}-in" if both else flow.name] = (flow.why, _ingress(flow.target, flow))
    return found


def _egress(pods: Pods, flow: Flow) -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": _ports(flow)}
    peers = _peers(flow.target)
    return {"podSelector": _selector(pods), "policyTypes": ["Egress"], "egress": [{**rule, "to": peers} if peers else rule]}


def _ingress(pods: Pods, flow: Flow) -> dict[str, Any]:
    rule = {"from": _peers(flow.source), "ports": _ports(flow)}
    return {"podSelector": _selector(pods), "policyTypes": ["Ingress"], "ingress": [rule]}


def _ports(flow: Flow) -> list[dict[str, Any]]:
    return [{"protocol": transport} if port is None else {"protocol": transport, "port": port} for transport, port in flow.ports]


def _peers(peer: Peer) -> list[dict[str, Any]]:
    """Empty for every address."""
    if isinstance(peer, Pods):
        return [{"podSelector": _selector(peer)}]
    if isinstance(peer, Namespaces):
        return [{"namespaceSelector": {"matchLabels": {peer.label: peer.value}}}]
    return _blocks(peer)


def _blocks(outside: Outside) -> list[dict[str, Any]]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in outside.cidrs]


def _selector(pods: Pods) -> dict[str, Any]:
    return {"matchLabels": dict(pods.labels)} if pods.labels else {}
