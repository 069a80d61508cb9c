"""One builder of values for the official chart and for the lab's; its promises."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.milvus import Milvus
from components.milvus_values import CA_ANNOTATION, CREDENTIAL_ANNOTATION, MilvusShape, values
from components.milvus_values.shape import Etcd, Kafka, Pulsar, Service, Standalone, WriteAheadLog
from components.pods import PodOptions, Toleration
from tests.components.test_contract import DATA, MILVUS, PROCESS, SHAPE
from tests.deploy import deploy, resolved

OFFICIAL_KEYS = dict(line.split(": ") for line in Path(__file__).with_name("milvus-chart-5.0.19.keys").read_text().splitlines())
BUNDLED = replace(SHAPE, etcd=Etcd(kind="bundled", storage_class="fast"), wal=WriteAheadLog(kind="woodpecker"))
PRIVATE = replace(DATA, ca_config_map="object-store-ca", ca_sha256="f00d")


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Dotted keys, down to what the chart itself calls a leaf."""
    for key, value in tree.items():
        dotted = f"{path}{key}"
        if isinstance(value, Mapping) and dotted not in OFFICIAL_KEYS:
            yield from leaves(value, f"{dotted}.")
        else:
            yield dotted


KAFKA = WriteAheadLog(
    kind="kafka",
    kafka=Kafka(brokers=("k-0:9093", "k-1:9093"), login_secret="kafka", mechanism="SCRAM-SHA-512", certificate_secret="kafka-tls"),
)
PULSAR = WriteAheadLog(kind="pulsar", pulsar=Pulsar(address="pulsar.example.net:6651", token_secret="pulsar-token"))
ETCD = Etcd(kind="external", endpoints=("e-0:2379",), login_secret="etcd", certificate_secret="etcd-tls")
ASKED = PodOptions(
    pull_secrets=("mirror",),
    node_selector={"pool": "rag"},
    tolerations=(Toleration(key="dedicated", value=None, effect=None),),
    priority_class="rag-high",
    labels={"cost-centre": "4711"},
    annotations={"team": "search"},
    assign_ids=False,
)
PLATFORM = replace(
    BUNDLED,
    etcd=replace(
        BUNDLED.etcd, node_selector=ASKED.node_selector, tolerations=ASKED.tolerations, image="localhost/etcd:1-r1", service_account="etcd"
    ),
    options=ASKED,
    cluster_domain="k8s.example.net",
    service=Service(type="LoadBalancer", annotations={"pool": "rag"}, source_ranges=("10.20.0.0/16",)),
)
SHAPES = [PLATFORM, SHAPE, BUNDLED, replace(SHAPE, wal=KAFKA, etcd=ETCD), replace(SHAPE, wal=PULSAR)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_key_is_one_of_the_official_chart_since_helm_ignores_others_in_silence(shape: MilvusShape) -> None:
    assert set(leaves(values(shape, PRIVATE))) - OFFICIAL_KEYS.keys() == set()


def test_the_key_of_the_store_is_named_by_its_secret_and_never_written() -> None:
    built = values(SHAPE, DATA)
    assert built["externalS3"]["accessKey"] == built["externalS3"]["secretKey"] == ""
    references = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in built["standalone"]["extraEnv"] if "valueFrom" in item}
    assert references == {
        "MINIO_ACCESS_KEY_ID": {"name": "milvus-store", "key": "access_key"},
        "MINIO_SECRET_ACCESS_KEY": {"name": "milvus-store", "key": "secret_key"},
    }


def secrets(built: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Secret and key of each variable that has one."""
    found = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in built["standalone"]["extraEnv"] if "valueFrom" in item}
    return {name: (reference["name"], reference["key"]) for name, reference in found.items() if not name.startswith("MINIO_")}


def test_logins_of_an_external_etcd_and_of_kafka_come_from_their_secrets_and_certificates_are_mounted() -> None:
    built = values(replace(SHAPE, wal=KAFKA, etcd=ETCD), DATA)
    assert secrets(built) == {
        "ETCD_AUTH_USERNAME": ("etcd", "username"),
        "ETCD_AUTH_PASSWORD": ("etcd", "password"),
        "KAFKA_SASL_USERNAME": ("kafka", "username"),
        "KAFKA_SASL_PASSWORD": ("kafka", "password"),
    }
    assert built["externalKafka"] == {
        "enabled": True,
        "brokerList": "k-0:9093,k-1:9093",
        "securityProtocol": "SASL_SSL",
        "sasl": {"mechanisms": "SCRAM-SHA-512"},
    }
    user = yaml.safe_load(built["extraConfigFiles"]["user.yaml"])
    assert user["etcd"]["auth"] == {"enabled": True}
    mounts = {item["mountPath"] for item in built["volumeMounts"]}
    for group, authority in (("etcd", "tlsCACert"), ("kafka", "tlsCaCert")):
        files = user[group]["ssl"]
        assert (files["enabled"], files[authority]) == (True, f"/etc/milvus/tls/{group}/ca.crt")
        assert f"/etc/milvus/tls/{group}" in mounts
        assert {"name": f"{group}-certificate", "secret": {"secretName": f"{group}-tls"}} in built["volumes"]


def test_the_token_of_pulsar_comes_from_its_secret_and_its_address_says_tls() -> None:
    built = values(replace(SHAPE, wal=PULSAR), DATA)
    assert secrets(built) == {"PULSAR_TOKEN": ("pulsar-token", "token")}
    assert {"name": "PULSAR_AUTHPARAMS", "value": "token:$(PULSAR_TOKEN)"} in built["standalone"]["extraEnv"]
    assert built["externalPulsar"] == {
        "enabled": True,
        "host": "pulsar+ssl://pulsar.example.net:6651",
        "port": 6651,
        "authPlugin": "token",
    }


@pytest.mark.parametrize(
    ("kafka", "protocol"),
    [
        (Kafka(brokers=("k:9092",), tls=False), "PLAINTEXT"),
        (Kafka(brokers=("k:9093",)), "SSL"),
        (Kafka(brokers=("k:9092",), tls=False, login_secret="k", mechanism="PLAIN"), "SASL_PLAINTEXT"),
    ],
)
def test_kafka_is_spoken_to_as_it_is_set(kafka: Kafka, protocol: str) -> None:
    built = values(replace(SHAPE, wal=WriteAheadLog(kind="kafka", kafka=kafka)), DATA)
    assert built["externalKafka"]["securityProtocol"] == protocol


def test_pods_of_milvus_and_of_its_etcd_get_what_the_platform_asks_for() -> None:
    built = values(PLATFORM, DATA)
    assert built["image"]["all"]["pullSecrets"] == ["mirror"]
    assert built["labels"] == built["service"]["labels"] == {"cost-centre": "4711"}
    assert built["annotations"] == {"team": "search", CREDENTIAL_ANNOTATION: "g1"}
    assert built["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    etcd = built["etcd"]
    assert etcd["image"] == {"registry": "localhost", "repository": "etcd", "tag": "1-r1", "pullSecrets": ["mirror"]}
    assert {name: etcd[name] for name in ("nodeSelector", "priorityClassName", "podLabels", "podAnnotations", "clusterDomain")} == {
        "nodeSelector": {"pool": "rag"},
        "priorityClassName": "rag-high",
        "podLabels": {"cost-centre": "4711"},
        "podAnnotations": {"team": "search"},
        "clusterDomain": "k8s.example.net",
    }
    assert etcd["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert etcd["serviceAccount"] == {"create": False, "name": "etcd"}
    assert etcd["podSecurityContext"] == etcd["containerSecurityContext"] == {"enabled": False}


def test_a_load_balancer_lets_in_the_addresses_of_clients_alone() -> None:
    assert values(PLATFORM, DATA)["service"] | {"labels": {}} == {
        "type": "LoadBalancer",
        "loadBalancerSourceRanges": ["10.20.0.0/16"],
        "annotations": {"pool": "rag"},
        "labels": {},
    }
    assert values(SHAPE, DATA)["service"] == {"type": "ClusterIP"}


def test_milvus_runs_as_its_image_s_user_in_the_group_of_root_so_that_older_and_newer_images_start() -> None:
    security = values(SHAPE, DATA)["securityContext"]
    assert {name: security[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {"runAsUser": 999, "runAsGroup": 0, "fsGroup": 999}
    assert values(replace(SHAPE, user_id=1000), DATA)["securityContext"]["runAsUser"] == 1000


def test_caches_of_a_standalone_are_on_its_volume_unless_the_node_s_disk_is_reserved() -> None:
    reserved = Standalone(process=replace(PROCESS, ephemeral_storage_gib=10), storage_gib=5, storage_class=None)
    assert values(SHAPE, DATA)["standalone"]["disk"] == {"enabled": False, "size": {"enabled": False}}
    assert values(replace(SHAPE, size=reserved), DATA)["standalone"]["disk"] == {
        "enabled": True,
        "size": {"enabled": True},
    }


def test_a_service_called_minio_or_proxy_beside_milvus_changes_no_port() -> None:
    ports = {each["name"]: each["value"] for each in values(SHAPE, DATA)["standalone"]["extraEnv"] if each["name"].endswith("_PORT")}
    assert ports == {"MINIO_PORT": "9000", "PROXY_PORT": "19530"}


def test_a_new_key_or_a_new_ca_restarts_the_pods() -> None:
    assert values(SHAPE, DATA)["annotations"] == {CREDENTIAL_ANNOTATION: "g1"}
    assert values(SHAPE, PRIVATE)["annotations"] == {CREDENTIAL_ANNOTATION: "g1", CA_ANNOTATION: "f00d"}


def test_a_private_ca_lies_where_both_halves_of_milvus_look() -> None:
    built = values(SHAPE, PRIVATE)
    mount = next(item for item in built["volumeMounts"] if item["name"] == "object-store-ca")
    assert (mount["mountPath"], mount["subPath"], mount["readOnly"]) == ("/etc/ssl/certs/ca-certificates.crt", "ca.crt", True)
    assert {"name": "object-store-ca", "configMap": {"name": "object-store-ca"}} in built["volumes"]
    assert yaml.safe_load(built["extraConfigFiles"]["user.yaml"])["minio"]["ssl"]["tlsCACert"] == mount["mountPath"]


def test_with_public_cas_the_bundle_of_the_image_stays() -> None:
    assert "ca" not in str(values(SHAPE, DATA)["volumeMounts"]).lower()


def test_an_embedded_etcd_keeps_its_data_on_the_volume() -> None:
    built = values(SHAPE, DATA)
    user = yaml.safe_load(built["extraConfigFiles"]["user.yaml"])
    assert user["etcd"] == {"use": {"embed": True}, "data": {"dir": "/var/lib/milvus/etcd"}}
    assert user["etcd"]["data"]["dir"].startswith(built["standalone"]["persistence"]["mountPath"])
    assert built["etcd"] == {"enabled": False}
    assert {"name": "DEPLOY_MODE", "value": "STANDALONE"} in built["standalone"]["extraEnv"]


def test_woodpecker_keeps_the_log_on_the_object_store_without_a_broker() -> None:
    built = values(BUNDLED, DATA)
    assert built["standalone"]["messageQueue"] == "woodpecker"
    assert built["streaming"] == {"enabled": True, "woodpecker": {"embedded": True, "storage": {"type": "minio"}}}
    assert [built[broker] for broker in ("pulsarv3", "kafka", "minio")] == [{"enabled": False}] * 3


@pytest.mark.parametrize(
    ("reference", "repository", "tag"),
    [
        ("milvusdb/milvus:v2.6.15", "milvusdb/milvus", "v2.6.15"),
        ("host:5000/milvus:2.3.5", "host:5000/milvus", "2.3.5"),
        ("lab.local/milvus:2.3.5@sha256:ab12", "lab.local/milvus", "2.3.5@sha256:ab12"),
        ("host:5000/milvus@sha256:ab12", "host:5000/milvus@sha256", "ab12"),
    ],
)
def test_a_chart_that_joins_repository_and_tag_gets_the_image_as_declared(reference: str, repository: str, tag: str) -> None:
    image = values(replace(SHAPE, image=reference), DATA)["image"]["all"]
    assert (image["repository"], image["tag"]) == (repository, tag)
    assert f"{image['repository']}:{image['tag']}" == reference


@pytest.mark.parametrize("reference", ["milvusdb/milvus", "host:5000/milvus"])
def test_an_image_without_tag_and_digest_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="neither a tag nor a digest"):
        values(replace(SHAPE, image=reference), DATA)


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [("https://10.0.0.5:9000", "10.0.0.5", "9000"), ("https://x10000.example.net", "x10000.example.net", "443")],
)
def test_host_and_port_of_the_store_are_given_apart(endpoint: str, host: str, port: str) -> None:
    store = values(SHAPE, replace(DATA, endpoint=endpoint))["externalS3"]
    assert (store["host"], store["port"], store["useSSL"]) == (host, port, True)


def test_the_release_has_a_fixed_name_is_waited_for_and_keeps_the_evidence_of_a_failure() -> None:
    release = next(item for item in deploy(lambda: Milvus("milvus", MILVUS)) if item.type == "kubernetes:helm.sh/v3:Release")
    assert {key: release.inputs[key] for key in ("name", "namespace", "timeout", "atomic", "skipAwait")} == {
        "name": "milvus",
        "namespace": "rag",
        "timeout": 1800,
        "atomic": False,
        "skipAwait": False,
    }
    assert release.secrets == frozenset()


def test_the_address_of_milvus_is_its_service() -> None:
    assert resolved(lambda: {"uri": Milvus("milvus", MILVUS).uri}) == {"uri": "http://milvus.rag.svc.cluster.local:19530"}


def test_the_chart_of_the_lab_reads_no_key_that_the_official_one_does_not_have() -> None:
    read = yaml.safe_load(Path("lab/chart/milvus/values.yaml").read_text(encoding="utf-8"))
    assert set(leaves(read)) - OFFICIAL_KEYS.keys() == set()
