"""Promises of the comparison: what changed, what it replaces, and drift without false alarms."""

import pytest

from lab.pulumi_host.kubernetes.diff import RELEASE_REPLACES, compare, drifted, object_rules
from lab.pulumi_host.kubernetes.wire import Object


def test_equal_inputs_have_no_difference() -> None:
    assert compare({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, ()).changes == {}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 2}, {"a": "UPDATE"}),
        ({}, {"a": {"b": 1}}, {"a": "ADD"}),
        ({"a": [1, 2]}, {"a": [1]}, {"a[1]": "DELETE"}),
        ({"a": {"b-c/d": 1}}, {"a": {"b-c/d": 2}}, {'a["b-c/d"]': "UPDATE"}),
        ({"spec": {"ports": [{"port": 1}]}}, {"spec": {"ports": [{"port": 2}]}}, {"spec.ports[0].port": "UPDATE"}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "UPDATE"}),
    ],
)
def test_each_change_is_named_by_its_path(old: Object, new: Object, changes: dict[str, str]) -> None:
    assert compare(old, new, ()).changes == changes


def test_what_is_ignored_is_no_change() -> None:
    found = compare({"spec": {"replicas": 1, "x": 1}}, {"spec": {"replicas": 2, "x": 2}}, (), ["spec.replicas"])
    assert set(found.changes) == {"spec.x"}


def test_a_path_that_only_begins_alike_is_not_ignored() -> None:
    assert set(compare({"data2": 1}, {"data2": 2}, (), ["data"]).changes) == {"data2"}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ConfigMap", "data"),
        ("Secret", "stringData"),
        ("Job", "spec.template.spec.containers[0].image"),
        ("StatefulSet", "spec.volumeClaimTemplates[0].spec"),
        ("Deployment", 'spec.selector.matchLabels["app"]'),
        ("Namespace", "metadata.name"),
    ],
)
def test_what_kubernetes_cannot_change_in_place_is_replaced(kind: str, path: str) -> None:
    top, _, rest = path.partition(".")
    old: Object = {top: {"deep": rest}} if not rest else _nested(path, "old")
    new: Object = {top: {"deep": "new"}} if not rest else _nested(path, "new")
    assert compare(old, new, object_rules(kind)).replaces


def test_a_new_image_of_a_deployment_is_an_update() -> None:
    path = "spec.template.spec.containers[0].image"
    assert not compare(_nested(path, "a"), _nested(path, "b"), object_rules("Deployment")).replaces


def test_a_release_moves_by_replacement_only() -> None:
    assert compare({"namespace": "a"}, {"namespace": "b"}, RELEASE_REPLACES).replaces == {"namespace"}
    assert not compare({"values": {"namespace": "a"}}, {"values": {"namespace": "b"}}, RELEASE_REPLACES).replaces


ASKED: Object = {"kind": "Deployment", "spec": {"replicas": 2, "containers": [{"name": "c", "cpu": "1000m"}]}}
LIVE: Object = {"kind": "Deployment", "spec": {"replicas": 2, "containers": [{"name": "c", "cpu": "1", "pull": "Always"}], "paused": False}}


def test_what_the_server_rewrote_is_no_drift() -> None:
    assert drifted(ASKED, LIVE, LIVE) == ASKED


def test_a_changed_field_takes_its_live_value() -> None:
    now = {**LIVE, "spec": {**LIVE["spec"], "replicas": 3}}
    assert drifted(ASKED, LIVE, now)["spec"] == {**ASKED["spec"], "replicas": 3}


def test_a_field_that_vanished_vanishes() -> None:
    asked = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert drifted(asked, asked, {"metadata": {"labels": {"b": "2"}}}) == {"metadata": {"labels": {"b": "2"}}}


def test_what_others_added_is_theirs() -> None:
    now = {**LIVE, "spec": {**LIVE["spec"], "containers": [{"name": "sidecar"}, *LIVE["spec"]["containers"]]}}
    assert drifted(ASKED, LIVE, now) == ASKED


def test_a_container_that_vanished_is_drift() -> None:
    now = {**LIVE, "spec": {**LIVE["spec"], "containers": []}}
    assert drifted(ASKED, LIVE, now)["spec"]["containers"] == []


def test_string_data_is_compared_through_the_data_it_became() -> None:
    asked = {"kind": "Secret", "stringData": {"k": "v", "same": "s"}}
    before = {"kind": "Secret", "data": {"k": "dg==", "same": "cw=="}}
    now = {"kind": "Secret", "data": {"k": "dw==", "same": "cw=="}}
    assert drifted(asked, before, before) == asked
    assert drifted(asked, before, now)["stringData"] == {"k": "w", "same": "s"}


def _nested(path: str, leaf: str) -> Object:
    """{"a": {"b": [{"c": leaf}]}} for a.b[0].c; a key in quotes is a key."""
    value: object = leaf
    for step in reversed(path.replace('["', ".").replace('"]', "").replace("[0]", ".0").split(".")):
        value = [value] if step == "0" else {step: value}
    assert isinstance(value, dict)
    return value
