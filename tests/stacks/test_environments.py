"""Every environment of the checkout keeps what it promises."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import environments, neighbours, pins, release
from stacks.commands import needs
from stacks.environments import Environment
from stacks.problems import SettingsError
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
    return release.of(environment(name)).values


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
    budgets = {item.name for item in release.declared(environment("prod")) if item.type.endswith(":PodDisruptionBudget")}
    assert {f"milvus-disruption-{name}" for name in ("proxy", "mixcoord", "querynode", "datanode", "streamingnode")} <= budgets


@pytest.mark.parametrize("name", ["hybrid", "prod"])
def test_without_a_lock_production_does_not_go_up_and_says_how_to_write_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "path_of", lambda _: Path("nowhere.lock"))
    with pytest.raises(SettingsError, match=f"make pin ENV={name}"):
        pins.for_up(environment(name).settings, name)


def test_an_environment_that_asks_for_no_digest_goes_up_without_a_lock() -> None:
    assert pins.for_up(environment("dev").settings, "dev") is environment("dev").settings


def test_two_environments_in_one_place_of_one_store_are_refused(tmp_path: Path) -> None:
    settings = environment("prod").settings
    config = yaml.safe_load(Path("stacks/Pulumi.prod.yaml").read_text(encoding="utf-8"))
    (tmp_path / "Pulumi.copy.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(SettingsError, match="'prod' and 'copy' both keep Milvus's data in bucket 'prod-rag-milvus' below 'prod'"):
        neighbours.refuse_shared(settings, "prod", tmp_path)
    config["config"]["milvus-x10000:milvus"]["root_path"] = "elsewhere"
    (tmp_path / "Pulumi.copy.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    neighbours.refuse_shared(settings, "prod", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_an_environment_says_what_it_takes(name: str) -> None:
    assert needs.table(environment(name).settings) in Path(f"docs/environments/{name}.md").read_text(encoding="utf-8")
