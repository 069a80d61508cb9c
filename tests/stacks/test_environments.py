"""Every environment of the checkout keeps what it promises."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import environments, rendering
from stacks.commands import objects
from stacks.environments import Environment
from stacks.images import lock
from stacks.problems import SettingsError
from stacks.settings import deployable
from tests import filled_in
from tests.components.test_milvus_values import OFFICIAL_KEYS, leaves

NAMES = ["dev", "hybrid", "lab", "prod"]
OF_SUBCHARTS = ("etcd.resources.", "etcd.image.registry")
"""Keys that stand in the etcd chart's own values, not in Milvus's."""
COMPONENTS = ("proxy", "mixCoordinator", "queryNode", "dataNode", "streamingNode")


@cache
def environment(name: str) -> Environment:
    return environments.load(name, own_files_only=True)


@cache
def values(name: str) -> dict[str, Any]:
    return rendering.release(environment(name)).values


def images(tree: Mapping[str, Any]) -> list[str]:
    """Every repository and tag of the values."""
    found = [f"{tree['repository']}:{tree['tag']}"] if {"repository", "tag"} <= tree.keys() else []
    return found + [image for item in tree.values() if isinstance(item, Mapping) for image in images(item)]


def test_these_are_all_environments() -> None:
    assert environments.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_one_of_the_official_chart_since_helm_ignores_others_in_silence(name: str) -> None:
    unknown = {key for key in leaves(values(name)) if not key.startswith(OF_SUBCHARTS)} - OFFICIAL_KEYS.keys()
    assert unknown == set()


@pytest.mark.parametrize("name", NAMES)
def test_no_environment_has_minio_pulsar_kafka_a_plain_key_or_a_floating_tag(name: str) -> None:
    found = values(name)
    assert [found[part]["enabled"] for part in ("minio", "pulsarv3", "kafka")] == [False] * 3
    assert (found["externalS3"]["accessKey"], found["externalS3"]["secretKey"]) == ("", "")
    assert images(found)
    assert not any(image.rpartition(":")[2] in {"latest", "main", "stable"} for image in images(found))


@pytest.mark.parametrize("name", ["hybrid", "prod"])
def test_every_component_of_a_cluster_reads_the_key_of_the_store_from_its_secret(name: str) -> None:
    for component in COMPONENTS:
        found = {
            item["name"]: item["valueFrom"]["secretKeyRef"]["name"] for item in values(name)[component]["extraEnv"] if "valueFrom" in item
        }
        assert found["MINIO_ACCESS_KEY_ID"] == found["MINIO_SECRET_ACCESS_KEY"] == "milvus-store"


def test_production_is_doubled_zero_disk_encrypted_and_asks_who_is_there() -> None:
    found = values("prod")
    user = yaml.safe_load(found["extraConfigFiles"]["user.yaml"])
    assert found["cluster"]["enabled"]
    assert found["mixCoordinator"]["replicas"] == 2
    assert found["mixCoordinator"]["activeStandby"] == {"enabled": True}
    assert found["streaming"] == {"enabled": True, "woodpecker": {"embedded": True, "storage": {"type": "minio"}}}
    assert user["common"]["security"] == {
        "authorizationEnabled": True,
        "enablePublicPrivilege": False,
        "internaltlsEnabled": True,
        "tlsMode": 1,
    }
    assert found["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
    passwords = [name for name in COMPONENTS for item in found[name]["extraEnv"] if "PASSWORD" in item["name"]]
    assert passwords == ["mixCoordinator"]


def test_a_node_of_production_may_be_drained_one_pod_of_a_component_at_a_time() -> None:
    budgets = {item.name for item in rendering.of_environment(environment("prod")) if item.type.endswith(":PodDisruptionBudget")}
    assert {f"milvus-disruption-{name}" for name in ("proxy", "mixcoord", "querynode", "datanode", "streamingnode")} <= budgets


@pytest.mark.parametrize("name", ["hybrid", "prod"])
def test_without_a_lock_production_does_not_go_up_and_says_how_to_write_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "path_of", lambda _: Path("nowhere.lock"))
    with pytest.raises(SettingsError, match=f"./rag pin {name}"):
        lock.pinned(environment(name).settings, name, required=True)


def test_an_environment_that_asks_for_no_digest_goes_up_without_a_lock() -> None:
    assert lock.pinned(environment("dev").settings, "dev") is environment("dev").settings


def test_two_environments_in_one_place_of_one_store_are_refused(tmp_path: Path) -> None:
    settings = environment("prod").settings
    config = yaml.safe_load(Path("stacks/Pulumi.prod.yaml").read_text(encoding="utf-8"))
    (tmp_path / "Pulumi.copy.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (problem,) = deployable.bucket_conflicts(settings, "prod", tmp_path)
    assert (problem.code, problem.value) == ("settings.shared_place", "'prod-rag-milvus'")
    config["config"]["milvus-x10000:milvus"]["root_path"] = "elsewhere"
    (tmp_path / "Pulumi.copy.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert not list(deployable.bucket_conflicts(settings, "prod", tmp_path))


@pytest.mark.parametrize(("text", "line"), [("config:\n\tx: 1\n", 2), ("", None), ("config:\n  milvus-x10000:object_store: abc\n", 2)])
def test_a_broken_file_of_a_neighbour_is_named_as_such(tmp_path: Path, text: str, line: int | None) -> None:
    (tmp_path / "Pulumi.other.yaml").write_text(text, encoding="utf-8")
    (problem,) = deployable.bucket_conflicts(environment("prod").settings, "prod", tmp_path)
    assert (problem.code, problem.file, problem.line) == ("settings.neighbour", str(tmp_path / "Pulumi.other.yaml"), line)
    assert "./rag values other" in problem.cure


def test_what_is_left_of_the_examples_is_refused_before_anything_is_deployed_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "path_of", lambda _: Path("nowhere.lock"))
    left = environments.load("prod", own_files_only=True).placeholders
    assert {each.code for each in left} == {"settings.placeholder"}
    assert {"milvus-x10000:images.etcd", "milvus-x10000:object_store.endpoint", "milvus-x10000:milvus.tls.ca_file"} <= {
        each.key for each in left
    }
    lines = Path("stacks/Pulumi.prod.yaml").read_text(encoding="utf-8").splitlines()
    assert all("example" in lines[(each.line or 0) - 1] for each in left)
    with pytest.raises(SettingsError) as refused:
        environments.load("prod", own_files_only=True, step="rollout")
    assert [each.code for each in refused.value.problems] == [*("settings.placeholder" for _ in left), "settings.lock"]
    with pytest.raises(SettingsError) as refused:
        environments.load("prod", own_files_only=True, step="pin")
    assert len(refused.value.problems) == len(left)


def test_an_slo_file_is_missed_before_a_rollout_not_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_SLO", tmp_path)
    with pytest.raises(SettingsError) as refused:
        environments.load("dev", own_files_only=True, step="rollout")
    assert refused.value.problems[-1].code == "settings.slo"
    assert "slo.dev.yaml" in refused.value.problems[-1].wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_an_environment_says_what_it_takes(name: str) -> None:
    assert objects.table(environment(name).settings) in Path(f"docs/environments/{name}.md").read_text(encoding="utf-8")


def test_an_example_that_was_filled_in_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": filled_in.configuration("dev", tmp_path)}), encoding="utf-8")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(file))
    monkeypatch.setenv("PULUMI_STACK", "dev")
    assert environments.load("dev", step="rollout").placeholders == []


@pytest.mark.parametrize("text", ["config:\n\tx: 1\n", "config: {milvus-10000:namespace: rag}\n"])
def test_pulumi_up_names_the_line_that_is_wrong_too(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.x.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.x.yaml"))
    with pytest.raises(SettingsError) as refused:
        environments.of_program("x", {"milvus-10000:namespace": "rag"})
    assert refused.value.problems[0].file.endswith("Pulumi.x.yaml")
    assert refused.value.problems[0].line is not None


def test_pulumi_up_refuses_placeholders_even_where_no_file_is_found() -> None:
    settings = yaml.safe_load(Path("stacks/Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    configuration = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in settings.items()}
    with pytest.raises(SettingsError) as refused:
        environments.of_program("nowhere", configuration)
    assert {each.code for each in refused.value.problems} == {"settings.placeholder", "settings.shared_place"}


def test_a_placeholder_is_found_in_names_and_in_groups_that_are_stored_as_text() -> None:
    store = {"ca_file": "stacks/example-ca.crt", "endpoint": "https://10.0.0.5"}
    left = list(
        deployable.placeholders({"object_store": json.dumps(store), "network": {"addresses": {"x10000.example.net": ["10.1.2.3/32"]}}})
    )
    assert [each.key for each in left] == ["milvus-x10000:object_store.ca_file", 'milvus-x10000:network.addresses["x10000.example.net"]']
    assert left[0].cure == "pulumi config set --path milvus-x10000:object_store.ca_file FILE"
    assert "rename" in left[1].cure
