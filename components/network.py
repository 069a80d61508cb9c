"""Who may talk to whom in the namespace: nobody, and then four named exceptions. Pure: the `spec` of each NetworkPolicy.

Honest limits: a policy holds only where the cluster's network plugin enforces it; it can name addresses, not DNS names, so a store
that is known by name is allowed by its port alone; and traffic from the node itself (probes) is always let in.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

CLIENT_LABEL = "milvus-x10000/client"
"""Label, with the value "true", of the namespaces whose pods may use Milvus and the model services."""

_EVERYONE_HERE: dict[str, Any] = {"podSelector": {}}
_MILVUS: dict[str, Any] = {"matchLabels": {"app.kubernetes.io/name": "milvus"}}
_DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
_HTTPS_PORT = 443


def policies(store_endpoint: str) -> dict[str, Any]:
    """Spec of each policy by its name."""
    return {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "within-namespace": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [_EVERYONE_HERE]}],
            "egress": [{"to": [_EVERYONE_HERE]}],
        },
        "cluster-dns": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [_namespaces("kubernetes.io/metadata.name", "kube-system")], "ports": _DNS_PORTS}],
        },
        "milvus-to-object-store": {"podSelector": _MILVUS, "policyTypes": ["Egress"], "egress": [_to(store_endpoint)]},
        "from-clients": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [_namespaces(CLIENT_LABEL, "true")]}]},
    }


def _namespaces(label: str, value: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {label: value}}}


def _to(endpoint: str) -> dict[str, Any]:
    """Egress rule to the store: to its address where that is a number, else to its port anywhere."""
    url = urlsplit(endpoint)
    rule: dict[str, Any] = {"ports": [{"protocol": "TCP", "port": url.port if url.port is not None else _HTTPS_PORT}]}
    try:
        address = ipaddress.ip_address(url.hostname or "")
    except ValueError:
        return rule
    return {**rule, "to": [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}]}
