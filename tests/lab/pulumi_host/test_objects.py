"""Promises of single objects: their names, their state, their field manager."""

from typing import Any, cast

import pytest

from lab.pulumi_host.kubernetes.errors import InvalidInputError, UnsupportedError
from lab.pulumi_host.kubernetes.objects import Objects, api_of, checkpoint, is_autonamed, manager_of
from lab.pulumi_host.kubernetes.waiting import is_skipped, time_limit_s
from lab.pulumi_host.kubernetes.wire import UNKNOWN, Secret, plain


@pytest.mark.parametrize(
    ("type_", "api"),
    [
        ("kubernetes:core/v1:ConfigMap", ("v1", "ConfigMap")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", ("networking.k8s.io/v1", "NetworkPolicy")),
        ("kubernetes:milvus.io/v1beta1:Milvus", ("milvus.io/v1beta1", "Milvus")),
    ],
)
def test_a_type_token_names_api_and_kind(type_: str, api: tuple[str, str]) -> None:
    assert api_of(type_) == api


@pytest.mark.parametrize(
    "type_", ["kubernetes:core/v1:ConfigMapList", "kubernetes:core/v1:NamespacePatch", "kubernetes:yaml/v2:ConfigGroup"]
)
def test_what_only_the_official_plugin_does_is_refused(type_: str) -> None:
    with pytest.raises(UnsupportedError, match="official kubernetes plugin"):
        api_of(type_)


def test_a_resource_keeps_its_field_manager_and_shares_it_with_nobody() -> None:
    assert manager_of("urn:a") == manager_of("urn:a") != manager_of("urn:b")


def test_the_state_keeps_secrets_of_the_inputs_secret() -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": Secret("v"), "o": "open"}}
    state = checkpoint(plain(inputs), inputs, "manager", "v1")
    assert state["data"] == state["__inputs"]["data"] == {"k": Secret("v"), "o": "open"}


def test_only_a_name_that_pulumi_made_is_autonamed() -> None:
    assert is_autonamed({"metadata": {"annotations": {"pulumi.com/autonamed": "true"}}})
    assert not is_autonamed({"metadata": {"name": "x"}})


def test_the_time_limit_is_custom_else_annotated_else_ten_minutes() -> None:
    annotated = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "30"}}}
    assert (time_limit_s(annotated, 5), time_limit_s(annotated, 0), time_limit_s({"metadata": {}}, 0)) == (5, 30, 600)


def test_a_time_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="soon"):
        time_limit_s({"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "soon"}}}, 0)


def test_an_object_can_ask_not_to_be_waited_for() -> None:
    assert is_skipped({"metadata": {"annotations": {"pulumi.com/skipAwait": "True"}}})
    assert not is_skipped({"metadata": {}})


def test_only_a_job_asks_to_be_made_anew_and_metadata_may_be_unknown_as_a_whole() -> None:
    objects = Objects(cast("Any", None), cast("Any", None))  # nothing of the cluster is asked for any of these
    state = {"metadata": {"name": "x"}}
    asking = {"annotations": {"pulumi.com/replaceUnready": "true"}}
    for new in ({"kind": "Secret", "metadata": UNKNOWN}, {"kind": "Job", "metadata": UNKNOWN}, {"kind": "Job", "metadata": {}}):
        assert not objects._is_failed_for_good(new, state)
    assert not objects._is_failed_for_good({"kind": "Secret", "metadata": asking}, state)
    assert not objects._is_failed_for_good({"kind": "Job", "metadata": asking}, {})
