"""Promises of the command line given to helm: complete, and free of values and passwords."""

import pytest

from lab.pulumi_host.kubernetes.helm import chart_arguments, template_arguments, uninstall_arguments, upgrade_arguments
from lab.pulumi_host.kubernetes.wire import Object

INPUTS = {"name": "milvus", "namespace": "rag", "chart": "lab/chart/milvus", "timeout": 1800, "values": {"password": "hunter2"}}


def test_an_upgrade_installs_waits_and_reads_values_from_standard_input() -> None:
    assert upgrade_arguments(INPUTS, chart_arguments(INPUTS)) == [
        *("upgrade", "milvus", "lab/chart/milvus", "--install", "--namespace", "rag"),
        *("--values", "-", "--reset-values", "--wait", "--timeout", "1800s"),
    ]


def test_skip_await_does_not_wait() -> None:
    inputs = {**INPUTS, "skipAwait": True}
    assert "--wait" not in upgrade_arguments(inputs, ["chart"]) + uninstall_arguments(inputs)


def test_a_release_without_a_time_limit_has_the_official_one() -> None:
    assert "300s" in upgrade_arguments({"name": "a", "namespace": "b"}, ["chart"])


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        ({}, ["lab/chart/milvus"]),
        ({"version": "5.0.19"}, ["lab/chart/milvus", "--version", "5.0.19"]),
        (
            {"chart": "oci://registry.local/milvus", "repositoryOpts": {"caFile": "ca.crt"}},
            ["oci://registry.local/milvus", "--ca-file", "ca.crt"],
        ),
        ({"chart": "milvus", "repositoryOpts": {"repo": "https://charts.local"}}, ["milvus", "--repo", "https://charts.local"]),
        ({"chart": "milvus", "repositoryOpts": {"repo": "zilliztech"}}, ["zilliztech/milvus"]),
    ],
)
def test_a_chart_comes_from_a_path_a_registry_or_a_repository(more: Object, arguments: list[str]) -> None:
    assert chart_arguments({**INPUTS, **more}) == arguments


def test_no_password_and_no_value_is_an_argument() -> None:
    options = {"repo": "https://charts.local", "username": "me", "password": "s3cret"}
    inputs = {**INPUTS, "chart": "milvus", "repositoryOpts": options}
    chart = chart_arguments(inputs, added_repository="repository-0")
    everything = " ".join([*upgrade_arguments(inputs, chart), *template_arguments(inputs, chart), *uninstall_arguments(inputs)])
    assert "s3cret" not in everything
    assert "hunter2" not in everything
    assert "repository-0/milvus" in everything


def test_options_reach_helm() -> None:
    found = upgrade_arguments(
        {**INPUTS, "atomic": True, "cleanupOnFail": True, "maxHistory": 5, "description": "", "waitForJobs": False}, ["c"]
    )
    assert {"--atomic", "--cleanup-on-fail", "--history-max", "5"} <= set(found)
    assert not {"--description", "--wait-for-jobs"} & set(found)


def test_crds_are_rendered_unless_they_are_skipped() -> None:
    assert "--include-crds" in template_arguments(INPUTS, ["c"])
    assert "--include-crds" not in template_arguments({**INPUTS, "skipCrds": True}, ["c"])
