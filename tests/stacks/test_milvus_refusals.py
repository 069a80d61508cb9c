"""Settings of Milvus that are well spelt and cannot work: each is refused with its reason, before Helm sees anything."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from stacks.problems import SettingsError
from stacks.settings import parse
from stacks.settings.milvus import MilvusSettings
from stacks.settings.milvus.refusals import of_images, version
from stacks.settings.platform import ImageSettings
from tests.stacks.test_settings import GOOD, configuration
from validation.checks.storage.aim import Wal

CLUSTER = {"mode": "cluster"}
GPU = {**CLUSTER, "index": {"profile": "gpu_cagra", "metric": "IP"}, "query_node": {"gpus": 1}}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({**CLUSTER, "cpu_cores": 4}, "cpu_cores would be ignored with mode=cluster"),
    ({**CLUSTER, "storage_class": "fast"}, "storage_class would be ignored"),
    ({"query_node": {"replicas": 3}}, "query_node would be ignored with mode=standalone"),
    ({"spread_strictly": True}, "spread_strictly would be ignored"),
    ({**CLUSTER, "wal": "rocksmq"}, "is a file of one process"),
    ({"wal": "kafka"}, "needs a broker of your own in milvus.kafka"),
    ({"kafka": {"brokers": ["k:9092"]}}, "kafka would be ignored with wal=woodpecker"),
    ({"pulsar": {"address": "p:6650"}}, "pulsar would be ignored with wal=woodpecker"),
    ({"wal": "pulsar"}, "needs a broker of your own in milvus.pulsar"),
    ({**CLUSTER, "wal": "pulsar"}, "needs a broker of your own in milvus.pulsar"),
    ({"wal": "kafka", "kafka": {"brokers": []}}, "at least 1 item"),
    ({"wal": "kafka", "kafka": {"brokers": ["k:9092"], "mechanism": "PLAIN"}}, "mechanism would be ignored without login_secret"),
    ({"wal": "kafka", "kafka": {"brokers": ["k:9092"], "tls": False, "certificate_secret": "k"}}, "would be ignored with tls=false"),
    ({"wal": "kafka", "kafka": {"brokers": ["k:9092"], "login_secret": "Hunter2!"}}, "is no name of an object"),
    ({"etcd_cluster": {"login_secret": "etcd"}}, "login_secret would be ignored with etcd=bundled"),
    ({"etcd": "external", "etcd_cluster": {"endpoints": ["e:2379"], "replicas": 3}}, "replicas would be ignored with etcd=external"),
    ({"wal": "rocksmq", "condition_write": "disable"}, "it is the fence of woodpecker"),
    ({**CLUSTER, "etcd": "embedded"}, "lives inside one process"),
    ({"etcd": "external"}, "needs etcd_cluster.endpoints"),
    ({"etcd_cluster": {"endpoints": ["e:2379"]}}, "Milvus would start empty"),
    ({"etcd_cluster": {"replicas": 2}}, "should be 1, 3 or 5"),
    ({"etcd_cluster": {"storage_gib": 1}}, "greater than or equal to 8"),
    ({"etcd": "external", "etcd_cluster": {"endpoints": ["http://e:2379"]}}, "must be host:port"),
    ({"wal": "kafka", "kafka": {"brokers": ["kafka"]}}, "must be host:port"),
    ({"wal": "pulsar", "pulsar": {"address": "p:99999"}}, "must be host:port"),
    ({**CLUSTER, "mix_coordinator": {"active_standby": False}}, "without active_standby"),
    ({**CLUSTER, "proxy": {"replicas": 4, "autoscaling": {"most_replicas": 4}}}, "leaves nothing to grow"),
    ({**CLUSTER, "data_node": {"autoscaling": {"most_replicas": 4, "memory_percent": 80}}}, "scales query nodes alone"),
    ({**CLUSTER, "query_node": {"autoscaling": {"most_replicas": 4, "cpu_percent": 99}}}, "less than or equal to 95"),
    ({**CLUSTER, "streaming_node": {"autoscaling": {"most_replicas": 4}}}, "unknown setting"),
    ({**CLUSTER, "proxy": {"replicas": "two"}}, "no plain number"),
    ({**CLUSTER, "proxy": {"memory_gib": "4Gi"}}, "no plain number"),
    ({**CLUSTER, "query_node": {"memory": 4}}, "unknown setting"),
    ({"index": {"profile": "diskann"}}, "without ephemeral_storage_gib"),
    ({**CLUSTER, "index": {"profile": "diskann"}}, "without query_node.ephemeral_storage_gib"),
    ({**CLUSTER, "mmap": True}, "mmap without query_node.ephemeral_storage_gib"),
    ({**CLUSTER, "tiered_storage": True}, "tiered_storage without"),
    ({"index": {"profile": "hsnw"}}, "should be 'hnsw'"),
    ({"index": {"metric": "cosine"}}, "should be 'COSINE'"),
    ({**GPU}, "needs an image -gpu"),
    ({**GPU, "index": {"profile": "gpu_cagra"}}, "GPU_CAGRA knows no COSINE"),
    ({**GPU, "query_node": {"gpus": 0}}, "could be built by nobody"),
    ({"index": {"profile": "gpu_cagra", "metric": "IP"}}, "needs mode=cluster"),
    ({**CLUSTER, "query_node": {"gpus": 1}}, "would stand idle"),
    ({**CLUSTER, "query_node": {"runtime_class": "nvidia"}}, "without query_node.gpus"),
    ({"tls": {"proxy_secret": "milvus-tls"}}, "milvus-x10000:milvus.tls.ca_file"),
    ({"tls": {"client_certificates": True}}, "would be ignored without proxy_secret"),
    ({"tls": {"internal_secret": "i"}}, "belong together"),
    ({"tls": {"proxy_secret": "Milvus_TLS", "ca_file": "stacks/example-ca.crt"}}, "is no name of an object"),
    ({"service": {"type": "LoadBalancer"}}, "without authentication"),
    ({"service": {"type": "ExternalName"}}, "should be 'ClusterIP', 'LoadBalancer' or 'NodePort'"),
    ({"authentication": True, "service": {"type": "LoadBalancer"}}, "without access.client_cidrs"),
    ({"accept_authentication_bypass": "a test without data"}, "there is no authentication to pass by"),
    ({"user_id": 0}, "greater than or equal to 1"),
    ({"chart_version": "4.2.48"}, "is not one from 5.0.8 to below 6"),
    ({"chart_version": "6.0.0"}, "is not one from 5.0.8 to below 6"),
    ({"chart_version": "5.0"}, "is no version: three numbers"),
    ({"chart_version": "^5.0.0"}, "is no version: three numbers"),
    ({"chart_version": ""}, "is no version: three numbers"),
    ({"chart_version": "latest"}, "is no version: three numbers"),
    ({"chart": "oci://registry.example.net/milvus:5.0.19"}, "without a tag"),
    ({"chart": "https://charts.example.net/milvus-5.0.19.tgz"}, "is no reference"),
    ({"chart": "build/none.tgz"}, "is no file"),
    ({"request_timeout_ms": 10}, "greater than or equal to 1000"),
    ({"threads": {"high": 0}}, "greater than or equal to 1"),
    ({"root_path": "/a"}, "without a slash at either end"),
    ({"root_path": "1e3"}, "turns it into something else"),
    ({"administration_uri": "milvus:19530"}, "must be http://host:port"),
    ({"administration_uri": "http://root:word@milvus:19530"}, "and nothing else"),
]


@pytest.mark.parametrize(("milvus", "why"), WRONG)
def test_what_cannot_work_is_refused_with_its_reason(milvus: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configuration({**GOOD, "milvus": milvus}))
    assert why in str(refused.value)
    assert "root:word" not in str(refused.value)


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(WRONG) >= 40


@pytest.mark.parametrize(
    ("image", "milvus", "why"),
    [
        ("milvus:2.3.5", {}, "wal=woodpecker needs Milvus 2.6 or newer"),
        ("milvus:2.3.5", {"wal": "pulsar", "pulsar": {"address": "p:6650"}, "mode": "cluster"}, "mode=cluster needs Milvus 2.6"),
        ("milvus:2.5.16", {"wal": "rocksmq", "index": {"profile": "ivf_rabitq"}}, "needs Milvus 2.6 or newer, the image is 2.5.16"),
        ("milvus:2.6.3", {"tiered_storage": True}, "needs Milvus 2.6.4"),
        ("milvus:v2.6.15-gpu", {}, "a GPU index, and it alone, needs an image -gpu"),
    ],
)
def test_an_image_that_is_too_old_or_of_another_kind_is_refused(image: str, milvus: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse(configuration({**GOOD, "images": {**GOOD["images"], "milvus": image}, "milvus": milvus}))


@pytest.mark.parametrize(("metric", "refused"), [("COSINE", True), ("IP", False), ("L2", False)])
def test_a_gpu_graph_knows_no_cosine(metric: str, refused: bool) -> None:
    assert any("GPU_CAGRA" in reason for reason in of_index({"profile": "gpu_cagra", "metric": metric}, "2.6.15-gpu")) is refused


@pytest.mark.parametrize(
    ("index", "image", "key"),
    [
        ({"profile": "gpu_cagra", "metric": "COSINE"}, "2.6.15-gpu", "milvus.index.metric"),
        ({"profile": "ivf_rabitq", "metric": "IP"}, "2.5.16", "milvus.index.profile"),
    ],
)
def test_an_index_that_cannot_be_is_refused_by_its_key_with_a_cure(index: dict[str, str], image: str, key: str) -> None:
    wrong, _, cure = of_index(index, image)[0].partition(" Cure: ")
    assert wrong.startswith(f"{key}=")
    assert cure.startswith(f"pulumi config set --path milvus-x10000:{key} ")


def of_index(index: dict[str, str], image: str) -> list[str]:
    milvus = MilvusSettings.model_validate({**GPU, "index": index, "query_node": {"gpus": int(index["profile"] == "gpu_cagra")}})
    return of_images(milvus, ImageSettings.model_validate({**GOOD["images"], "milvus": f"milvus:v{image}"}), pinned=False)


@pytest.mark.parametrize(("wal", "address"), [("kafka", "kafka.brokers[0]"), ("pulsar", "pulsar.address")])
def test_a_log_without_a_broker_is_cured_by_the_address_of_one(wal: str, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configuration({**GOOD, "milvus": {"wal": wal}}))
    (problem,) = refused.value.problems
    assert (problem.key, problem.cure) == (
        "milvus-x10000:milvus.wal",
        f"pulumi config set --path 'milvus-x10000:milvus.{address}' HOST:PORT",
    )


UNUSED: list[tuple[dict[str, Any], str]] = [
    ({"images": {"reranker": "tei:1.0"}}, "milvus-x10000:images.reranker"),
    (
        {"images": {"llm": "llm:1.0"}, "llm": {"engine": "external", "external": {"url": "https://models.corp.net/v1"}}},
        "milvus-x10000:images.llm",
    ),
    ({"load_generators": {"pods": 4}}, "milvus-x10000:load_generators"),
    ({"milvus": {"user_id": 1000}, "pod_security": {"assign_ids": False}}, "milvus-x10000:milvus.user_id"),
    (
        {"milvus": {"authentication": True, "accept_authentication_bypass": "a test without data"}},
        "milvus-x10000:milvus.accept_authentication_bypass",
    ),
]


@pytest.mark.parametrize(("groups", "key"), UNUSED)
def test_a_setting_that_nothing_would_use_is_refused_with_its_key(groups: dict[str, Any], key: str) -> None:
    images = {**GOOD["images"], **groups.get("images", {})}
    with pytest.raises(SettingsError) as refused:
        parse(configuration({**GOOD, **groups, "images": images}))
    assert [(each.code, each.key) for each in refused.value.problems] == [("settings.unused", key)]


AUTHENTICATED = {"authentication": True, "wal": "rocksmq"}


@pytest.mark.parametrize(
    ("version_of_image", "name"),
    [
        ("2.3.5", "CVE-2025-64513"),
        ("2.4.23", "CVE-2025-64513"),
        ("2.4.24", "CVE-2026-26190"),
        ("2.5.20", "CVE-2025-64513"),
        ("2.5.26", "CVE-2026-26190"),
        ("2.6.4", "CVE-2025-64513"),
        ("2.6.9", "CVE-2026-26190"),
    ],
)
def test_a_version_whose_authentication_is_passed_by_is_refused_unless_somebody_says_why(version_of_image: str, name: str) -> None:
    images = {**GOOD["images"], "milvus": f"milvus:v{version_of_image}"}
    with pytest.raises(SettingsError, match=name):
        parse(configuration({**GOOD, "images": images, "milvus": AUTHENTICATED}))
    parse(configuration({**GOOD, "images": images, "milvus": {"wal": "rocksmq"}}))
    parse(configuration({**GOOD, "images": images, "milvus": {**AUTHENTICATED, "accept_authentication_bypass": "a test on one machine"}}))


@pytest.mark.parametrize("version_of_image", ["2.5.27", "2.6.10", "2.6.21", "3.0.1"])
def test_a_version_with_both_fixes_may_ask_who_is_there(version_of_image: str) -> None:
    parse(configuration({**GOOD, "images": {**GOOD["images"], "milvus": f"milvus:v{version_of_image}"}, "milvus": AUTHENTICATED}))


@pytest.mark.parametrize(
    ("etcd", "is_accepted"),
    [
        ("quay.io/coreos/etcd:v3.5.25", False),
        ("registry.k8s.io/etcd:3.5.25-0", False),
        ("milvusdb/etcd:3.5.25-r1", True),
        ("localhost/milvusdb/etcd:3.5.25", True),
        ("registry.example.net/mirror/etcd:3.5.25-r1", True),
        ("bitnamilegacy/etcd@sha256:" + "ab" * 32, True),
    ],
)
def test_an_etcd_that_the_probes_of_the_chart_cannot_ask_is_refused(etcd: str, is_accepted: bool) -> None:
    given = configuration({**GOOD, "images": {**GOOD["images"], "etcd": etcd}})
    if is_accepted:
        parse(given)
    else:
        with pytest.raises(SettingsError, match="is not built by Bitnami"):
            parse(given)


def packed_chart(folder: Path, version_of_chart: str) -> Path:
    """An archive as Helm packs it, with nothing in it but the description."""
    source = folder / "milvus" / "Chart.yaml"
    source.parent.mkdir()
    source.write_text(f"apiVersion: v2\nname: milvus\nversion: {version_of_chart}\n", encoding="utf-8")
    with tarfile.open(folder / "milvus.tgz", "w:gz") as archive:
        archive.add(source, "milvus/Chart.yaml")
    return folder / "milvus.tgz"


def test_a_packed_chart_has_its_own_version_and_another_one_is_refused(tmp_path: Path) -> None:
    archive = packed_chart(tmp_path, "5.0.17")
    read = parse(configuration({**GOOD, "milvus": {"chart": str(archive)}})).milvus
    assert read.resolved_chart_version() == "5.0.17"
    with pytest.raises(SettingsError, match=r"the archive .* holds 5\.0\.17"):
        parse(configuration({**GOOD, "milvus": {"chart": str(archive), "chart_version": "5.0.19"}}))


@pytest.mark.parametrize(("content", "why"), [(b"no archive", "is no packed chart"), (b"", "is no packed chart")])
def test_a_file_that_is_no_packed_chart_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "milvus.tgz").write_bytes(content)
    with pytest.raises(SettingsError, match=why):
        parse(configuration({**GOOD, "milvus": {"chart": str(tmp_path / "milvus.tgz")}}))


def test_a_packed_chart_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is not one from 5\.0\.8 to below 6"):
        parse(configuration({**GOOD, "milvus": {"chart": str(packed_chart(tmp_path, "4.2.48"))}}))


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("milvusdb/milvus:v2.6.15", (2, 6, 15)),
        ("host:5000/milvus:2.3.5@sha256:" + "ab" * 32, (2, 3, 5)),
        ("milvus:prod-2.6.15-gpu", (2, 6, 15)),
        ("host:5000/milvus@sha256:" + "ab" * 32, None),
        ("milvus:main", None),
    ],
)
def test_the_version_of_milvus_is_read_from_its_tag(reference: str, found: tuple[int, int, int] | None) -> None:
    assert version(reference) == found


@pytest.mark.parametrize(
    "milvus",
    [
        GPU,
        {**CLUSTER, "wal": "pulsar", "pulsar": {"address": "p:6651", "token_secret": "pulsar-token"}},
        {
            **CLUSTER,
            "wal": "kafka",
            "kafka": {"brokers": ["k-0:9093", "k-1:9093"], "login_secret": "kafka", "certificate_secret": "kafka-tls"},
        },
        {**CLUSTER, "index": {"profile": "diskann"}, "query_node": {"ephemeral_storage_gib": 200}},
        {"etcd": "external", "etcd_cluster": {"endpoints": ["e-0:2379"], "login_secret": "etcd", "certificate_secret": "etcd-tls"}},
    ],
)
def test_what_can_work_is_accepted(milvus: dict[str, Any]) -> None:
    image = "milvus:v2.6.15-gpu" if milvus is GPU else "milvus:v2.6.15"
    parse(configuration({**GOOD, "images": {**GOOD["images"], "milvus": image}, "milvus": milvus}))


@pytest.mark.parametrize(
    ("milvus", "planned"),
    [({}, "woodpecker"), ({"condition_write": "disable"}, "woodpecker-unconditional"), ({"wal": "rocksmq"}, "rocksmq")],
)
def test_the_preflight_is_asked_for_the_log_that_is_planned_and_for_its_fence(milvus: dict[str, Any], planned: str) -> None:
    settings = parse(configuration({**GOOD, "milvus": milvus})).milvus
    assert settings.planned_log == planned
    assert Wal(settings.planned_log), "the preflight knows it by that name"
