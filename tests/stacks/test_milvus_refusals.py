"""Settings of Milvus that are well spelt and cannot work: each is refused with its reason, before Helm sees anything."""

from typing import Any

import pytest

from stacks.problems import SettingsError
from stacks.settings import parse
from stacks.settings.milvus.images import version
from tests.stacks.test_settings import GOOD, configuration

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
    ({"wal": "kafka", "kafka": {"brokers": ["k:9092"], "login_secret": "Hunter2!"}}, "is no name of a Secret"),
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
    ({**CLUSTER, "streaming_node": {"autoscaling": {"most_replicas": 4}}}, "there is no such setting"),
    ({**CLUSTER, "proxy": {"replicas": "two"}}, "valid integer"),
    ({**CLUSTER, "proxy": {"memory_gib": "4Gi"}}, "valid number"),
    ({**CLUSTER, "query_node": {"memory": 4}}, "there is no such setting"),
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
    ({"tls": {"proxy_secret": "milvus-tls"}}, "tls without ca_file"),
    ({"tls": {"client_certificates": True}}, "would be ignored without proxy_secret"),
    ({"tls": {"internal_secret": "i"}}, "belong together"),
    ({"tls": {"proxy_secret": "Milvus_TLS", "ca_file": "stacks/example-ca.crt"}}, "is no name of a Secret"),
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
