"""The flow table, proven from the rendered policies: what it names is allowed, and nothing else is."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from components import flows
from components.flows import CLIENT_LABEL, MONITORING_LABEL, Endpoint, Flow, Layout, Namespaces, Outside, Pods, open_flows, table
from tests.netpol import End, allows, matches

STORE = Endpoint(name="store", url="https://10.9.0.5:9000", users=("milvus", "suite", "preflight"), why="data")
LAB = Layout(cluster=False, etcd=False, services={"embedding": 8080, "llm": 8080}, endpoints=(STORE,))
PROD = Layout(
    cluster=True,
    etcd=True,
    services={"embedding": 80, "llm": 8000, "reranker": 81},
    endpoints=(
        replace(STORE, users=(*STORE.users, "ask")),
        Endpoint(name="weights", url="https://10.9.0.5:9000", users=("llm",), why="weights"),
        Endpoint(name="model", url="https://models.example.net", users=("suite", "ask"), why="external"),
    ),
    addresses={"models.example.net": ("192.0.2.0/28",)},
    client_cidrs=("10.20.0.0/16",),
    ask=True,
    dns=(Namespaces(label="kubernetes.io/metadata.name", value="kube-system"), Outside(host="node", cidrs=("169.254.20.10/32",))),
)
LAYOUTS = {"lab": LAB, "prod": PROD}

HERE = "rag"
INSIDE = {
    "milvus standalone": {"app.kubernetes.io/name": "milvus", "component": "standalone"},
    "milvus proxy": {"app.kubernetes.io/name": "milvus", "component": "proxy"},
    "milvus querynode": {"app.kubernetes.io/name": "milvus", "component": "querynode"},
    **{name: {"app.kubernetes.io/name": name} for name in ("etcd", "kafka", "embedding", "llm", "reranker", "suite", "preflight", "ask")},
    "stranger": {"app.kubernetes.io/name": "stranger"},
    "unlabelled": {},
}
ENDS = {
    **{name: End(namespace=HERE, labels=labels, ip="10.244.0.9") for name, labels in INSIDE.items()},
    "client": End(namespace="shop", namespace_labels={CLIENT_LABEL: "true"}),
    "monitoring": End(namespace="watch", namespace_labels={MONITORING_LABEL: "true"}),
    "other tenant": End(namespace="other", namespace_labels={}, labels=INSIDE["milvus proxy"]),
    "dns": End(namespace="kube-system", namespace_labels={"kubernetes.io/metadata.name": "kube-system"}),
    "node dns": End(ip="169.254.20.10"),
    "store": End(ip="10.9.0.5"),
    "neighbour of the store": End(ip="10.9.0.6"),
    "external model": End(ip="192.0.2.3"),
    "client outside": End(ip="10.20.3.4"),
    "internet": End(ip="93.184.216.34"),
}
PORTS = [
    *[("TCP", port) for port in (22, 53, 80, 81, 443, 2379, 2380, 3000, 8000, 8080, 9000, 9091, 9092, 19530, 19531, 53100)],
    ("UDP", 53),
    ("UDP", 443),
]
FORBIDDEN = [
    ("llm", "internet", 443),
    ("embedding", "internet", 443),
    ("milvus standalone", "internet", 443),
    ("milvus querynode", "internet", 9000),
    ("suite", "internet", 443),
    ("other tenant", "etcd", 2379),
    ("client", "etcd", 2379),
    ("suite", "etcd", 2379),
    ("llm", "etcd", 2379),
    ("embedding", "store", 9000),
    ("milvus standalone", "neighbour of the store", 9000),
    ("milvus proxy", "llm", 8000),
    ("llm", "milvus proxy", 19530),
    ("llm", "embedding", 80),
    ("other tenant", "milvus proxy", 19530),
    ("other tenant", "milvus standalone", 19530),
    ("other tenant", "embedding", 8080),
    ("internet", "milvus proxy", 19530),
    ("client", "milvus querynode", 19530),
    ("client outside", "milvus standalone", 19530),
    ("client outside", "milvus proxy", 9091),
    ("client outside", "embedding", 80),
    ("client", "milvus standalone", 9091),
    ("monitoring", "milvus standalone", 19530),
    ("milvus querynode", "kafka", 9092),
    ("stranger", "milvus standalone", 19530),
    ("unlabelled", "embedding", 8080),
    ("preflight", "milvus standalone", 19530),
]


def manifests(layout: Layout) -> list[dict[str, Any]]:
    return [{"metadata": {"namespace": HERE, "name": name}, "spec": spec} for name, (_, spec) in flows.policies(table(layout)).items()]


def is_peer(peer: Pods | Namespaces | Outside, end: End) -> bool:
    """What a row of the table means, said without policies."""
    if isinstance(peer, Outside):
        return any(allows([_block(cidr)], ENDS["stranger"], end, 1) for cidr in peer.cidrs)
    if isinstance(peer, Namespaces):
        return end.namespace is not None and end.namespace_labels.get(peer.label) == peer.value
    return end.namespace == HERE and matches({"matchLabels": peer.labels}, end.labels)


def _block(cidr: str) -> dict[str, Any]:
    return {"metadata": {"namespace": HERE}, "spec": {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": cidr}}]}]}}


def in_table(flows: tuple[Flow, ...], source: End, target: End, transport: str, port: int) -> bool:
    return any(
        is_peer(flow.source, source)
        and is_peer(flow.target, target)
        and any(each == transport and allowed in {None, port} for each, allowed in flow.ports)
        for flow in flows
    )


def concerned(source: End, target: End) -> bool:
    """Policies of the namespace say nothing of traffic that begins and ends elsewhere."""
    return HERE in {source.namespace, target.namespace}


def every_connection() -> Iterator[tuple[str, str, str, int]]:
    for (source, here), (target, there) in itertools.product(ENDS.items(), repeat=2):
        if concerned(here, there):
            yield from ((source, target, transport, port) for transport, port in PORTS)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_policies_allow_exactly_what_the_table_names(layout: Layout) -> None:
    rendered, flows = manifests(layout), table(layout)
    wrong = [
        (source, target, transport, port)
        for source, target, transport, port in every_connection()
        if allows(rendered, ENDS[source], ENDS[target], port, transport) != in_table(flows, ENDS[source], ENDS[target], transport, port)
    ]
    assert not wrong


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("source", "target", "port"), FORBIDDEN)
def test_what_must_never_be_is_denied(layout: Layout, source: str, target: str, port: int) -> None:
    assert not allows(manifests(layout), ENDS[source], ENDS[target], port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("milvus standalone", "store", 9000),
        ("suite", "store", 9000),
        ("preflight", "store", 9000),
        ("client", "milvus standalone", 19530),
        ("client", "embedding", 8080),
        ("suite", "llm", 8080),
        ("monitoring", "milvus standalone", 9091),
        ("llm", "dns", 53),
    ],
)
def test_what_the_lab_needs_is_allowed(source: str, target: str, port: int) -> None:
    assert allows(manifests(LAB), ENDS[source], ENDS[target], port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("milvus querynode", "store", 9000),
        ("milvus proxy", "milvus querynode", 53100),
        ("milvus querynode", "etcd", 2379),
        ("etcd", "etcd", 2380),
        ("llm", "store", 9000),
        ("suite", "external model", 443),
        ("milvus querynode", "node dns", 53),
    ],
)
def test_what_production_needs_is_allowed(source: str, target: str, port: int) -> None:
    assert allows(manifests(PROD), ENDS[source], ENDS[target], port)


def test_the_proof_is_red_without_the_policy_that_denies() -> None:
    rendered = [each for each in manifests(LAB) if each["metadata"]["name"] != flows.DENY]
    assert any(allows(rendered, ENDS[source], ENDS[target], port) for source, target, port in FORBIDDEN)


def test_a_host_with_addresses_of_both_families_is_reached_at_all_of_them_and_at_no_other() -> None:
    store = replace(STORE, url="https://x10000.example.net:9000")
    layout = replace(LAB, endpoints=(store,), addresses={"x10000.example.net": ("10.1.2.0/28", "fd00:1::/64")})
    rendered, milvus = manifests(layout), ENDS["milvus standalone"]
    reached = [ip for ip in ("10.1.2.3", "fd00:1::7", "10.1.3.3", "fd00:2::7", "2001:db8::1") if allows(rendered, milvus, End(ip=ip), 9000)]
    assert reached == ["10.1.2.3", "fd00:1::7"]
    (policy,) = (each for each in rendered if each["metadata"]["name"] == "milvus-to-store")
    assert policy["spec"]["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.1.2.0/28"}}, {"ipBlock": {"cidr": "fd00:1::/64"}}]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_flow_has_a_name_of_its_own_and_one_sentence(layout: Layout) -> None:
    flows = table(layout)
    assert len({flow.name for flow in flows}) == len(flows)
    assert all(flow.why and "." not in flow.why for flow in flows)


@pytest.mark.parametrize(
    ("url", "cidrs", "port"),
    [
        ("https://10.0.0.5:9000", ("10.0.0.5/32",), 9000),
        ("https://[fd00::5]:9000", ("fd00::5/128",), 9000),
        ("https://x10000.example.net", ("10.1.2.0/28",), 443),
        ("http://x10000.example.net", ("10.1.2.0/28",), 80),
        ("https://unknown.example.net", (), 443),
    ],
)
def test_the_store_is_allowed_by_its_address_and_port(url: str, cidrs: tuple[str, ...], port: int) -> None:
    layout = replace(LAB, endpoints=(replace(STORE, url=url),), addresses={"x10000.example.net": ("10.1.2.0/28",)})
    flow = next(flow for flow in table(layout) if flow.name == "milvus-to-store")
    assert isinstance(flow.target, Outside)
    assert (flow.target.cidrs, flow.ports) == (cidrs, (("TCP", port),))
    assert [host for _, host in open_flows(table(layout))] == ([] if cidrs else ["unknown.example.net"] * 3)
