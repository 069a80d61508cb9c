"""The evaluator, against the rules of the API's own reference: one case a rule."""

from typing import Any

import pytest

from tests.netpol import End, allows, matches

WEB = End(namespace="a", namespace_labels={"name": "a"}, labels={"app": "web"}, ip="10.0.0.1")
DB = End(namespace="a", namespace_labels={"name": "a"}, labels={"app": "db"}, ip="10.0.0.2")
OTHER = End(namespace="b", namespace_labels={"name": "b"}, labels={"app": "web"}, ip="10.0.1.1")
NET = End(ip="203.0.113.7")


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "a"}, "spec": {"podSelector": {}, **spec}}


DENY = policy(policyTypes=["Ingress", "Egress"])


def to(*peers: Any, **rule: Any) -> dict[str, Any]:
    return policy(policyTypes=["Egress"], egress=[{"to": list(peers), **rule}])


@pytest.mark.parametrize(
    ("policies", "source", "target", "expected"),
    [
        pytest.param([], WEB, DB, True, id="nothing selects a pod: everything is allowed"),
        pytest.param([DENY], WEB, NET, False, id="selected, and no rule: nothing is allowed"),
        pytest.param([DENY], NET, DB, False, id="the same inwards"),
        pytest.param([DENY], OTHER, NET, True, id="a policy is of its own namespace only"),
        pytest.param([policy(policyTypes=["Ingress"])], WEB, NET, True, id="a policy for one direction leaves the other"),
        pytest.param([policy(ingress=[{}])], NET, DB, True, id="an empty rule allows everything"),
        pytest.param([policy()], NET, DB, False, id="without policyTypes it is one for Ingress"),
        pytest.param([policy()], WEB, NET, True, id="and not for Egress"),
        pytest.param([policy(egress=[])], WEB, NET, False, id="unless it has a list for that"),
        pytest.param([to({"podSelector": {"matchLabels": {"app": "db"}}})], WEB, DB, True, id="a pod by its label"),
        pytest.param([to({"podSelector": {}})], WEB, OTHER, False, id="a podSelector alone means this namespace"),
        pytest.param([to({"namespaceSelector": {}})], WEB, OTHER, True, id="an empty namespaceSelector means all namespaces"),
        pytest.param([to({"namespaceSelector": {}})], WEB, NET, False, id="but no address outside"),
        pytest.param(
            [to({"namespaceSelector": {"matchLabels": {"name": "b"}}, "podSelector": {"matchLabels": {"app": "db"}}})],
            WEB,
            OTHER,
            False,
            id="both selectors in one peer must fit",
        ),
        pytest.param(
            [to({"namespaceSelector": {"matchLabels": {"name": "b"}}}, {"podSelector": {"matchLabels": {"app": "db"}}})],
            WEB,
            OTHER,
            True,
            id="two peers are alternatives",
        ),
        pytest.param([to({"ipBlock": {"cidr": "203.0.113.0/24"}})], WEB, NET, True, id="an address in a block"),
        pytest.param([to({"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]}})], WEB, NET, False, id="but for exceptions"),
        pytest.param([to({"ipBlock": {"cidr": "10.0.1.0/24"}})], WEB, OTHER, True, id="a pod has an address too: the worst case counts"),
        pytest.param([to()], WEB, NET, True, id="an empty list of peers is everybody"),
        pytest.param([DENY, to({"podSelector": {}})], WEB, DB, False, id="out is allowed, in is not: denied"),
    ],
)
def test_a_rule_of_the_api(policies: list[Any], source: End, target: End, expected: bool) -> None:
    assert allows(policies, source, target, 80) is expected


@pytest.mark.parametrize(
    ("ports", "port", "transport", "expected"),
    [
        ([], 80, "TCP", True),
        ([{"port": 80}], 80, "TCP", True),
        ([{"port": 80}], 81, "TCP", False),
        ([{"port": 80}], 80, "UDP", False),
        ([{"protocol": "UDP", "port": 53}], 53, "UDP", True),
        ([{"protocol": "TCP"}], 65535, "TCP", True),
        ([{"protocol": "TCP"}], 65535, "UDP", False),
        ([{"port": 80, "endPort": 90}], 90, "TCP", True),
        ([{"port": 80, "endPort": 90}], 91, "TCP", False),
    ],
)
def test_a_rule_about_ports(ports: list[Any], port: int, transport: str, expected: bool) -> None:
    assert allows([to(ports=ports)], WEB, NET, port, transport) is expected


def test_a_named_port_is_refused_rather_than_guessed() -> None:
    with pytest.raises(TypeError, match="'http' has a name"):
        allows([to(ports=[{"port": "http"}])], WEB, NET, 80)


@pytest.mark.parametrize(
    ("operator", "values", "labels", "expected"),
    [
        ("In", ["x"], {"k": "x"}, True),
        ("In", ["x"], {}, False),
        ("NotIn", ["x"], {"k": "x"}, False),
        ("NotIn", ["x"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
    ],
)
def test_a_rule_about_labels(operator: str, values: list[str], labels: dict[str, str], expected: bool) -> None:
    assert matches({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}, labels) is expected
