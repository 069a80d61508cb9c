"""What every component owes, whatever it makes."""

from collections.abc import Callable
from dataclasses import replace

import pulumi
import pytest

from components import stores
from components.ask import Ask, AskArgs
from components.component import Mounted, Trust
from components.engines import ENGINES
from components.engines.engine import Container, Model
from components.flows import Endpoint, Layout, table
from components.load_generators import LoadGenerators, LoadGeneratorsArgs
from components.milvus import Chart, Milvus, MilvusArgs, MilvusDisruption
from components.milvus_access.root import MilvusRoot
from components.milvus_access.server import Server
from components.milvus_access.users import MilvusUsers, MilvusUsersArgs
from components.milvus_values import MilvusShape, MilvusStore
from components.milvus_values.shape import Etcd, Security, Standalone, Tuning, Workload, WriteAheadLog
from components.model_server import ModelServer, ModelServerArgs
from components.models import Embedding, Llm, ModelArgs, Reranker
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring.rules import Objectives
from components.pods import Resources
from components.preflight import Preflight, PreflightArgs
from components.quota import Quota
from components.random_secret import ApiKey
from components.scheduled import Backup, BackupArgs, ScheduledGate, ScheduledGateArgs
from components.stores import BucketOptions, Generations, ObjectStore, ObjectStoreArgs
from components.stores.s3 import S3Server, S3Store
from components.tenancy import Tenancy, TenancyArgs
from components.weights import WeightsAccess
from tests.deploy import deploy

SMALL = Resources(cpu_cores=0.1, memory_gib=0.5)
ENDPOINT = "https://10.0.0.5:9000"
S3 = S3Server(endpoint=ENDPOINT, iam_endpoint=ENDPOINT, region="us-east-1", ca_pem="", admin_profile="admin")
STORE = S3Store(server=S3)
OBJECT_STORE = ObjectStoreArgs(
    store=STORE,
    bucket="rag-milvus",
    options=BucketOptions(versioned=False),
    permissions=stores.MILVUS,
    owner="p/s/u",
    namespace="rag",
    retain=True,
    generations=Generations(),
)
DATA = MilvusStore(
    endpoint=ENDPOINT,
    region="us-east-1",
    bucket="rag-milvus",
    root_path="milvus",
    secret_name="milvus-store",
    credential_generation="g1",
    ca_config_map="",
    ca_sha256="",
)
PROCESS = Workload(replicas=1, resources=SMALL, node_selector={}, tolerations=())
SHAPE = MilvusShape(
    image="milvus:1.0",
    size=Standalone(process=PROCESS, storage_gib=5, storage_class=None),
    wal=WriteAheadLog(kind="rocksmq"),
    etcd=Etcd(kind="embedded"),
    security=Security(),
    tuning=Tuning(),
    monitor_labels=None,
    service_account="milvus",
)
MILVUS = MilvusArgs(
    namespace="rag",
    chart=Chart(name="lab/chart/milvus", version="0.1.0", repository=None),
    shape=SHAPE,
    store=DATA,
    administration=None,
)
GENERATORS = LoadGeneratorsArgs(
    namespace="rag",
    account="suite",
    image="suite:1",
    resources=SMALL,
    store_ca_config_map=None,
    milvus_ca_config_map=None,
    login_secret=None,
)
PREFLIGHT = PreflightArgs(
    namespace="rag", account="suite", image="s:1", store=DATA, other_bucket="rag-documents", wal="rocksmq", performance=False
)
MONITORING = MonitoringArgs(
    namespace="rag",
    objectives=Objectives(environment="prod", namespace="rag", latency_ms={0.95: 60}),
    dashboards=True,
    environment="prod",
    namespace_name="rag",
    labels={},
)
ASK = AskArgs(
    namespace="rag",
    account="ask",
    image="suite:1",
    replicas=2,
    resources=SMALL,
    target="{}",
    mounted=(Mounted(kind="secret", name="documents-s3", keys=("access_key", "secret_key")),),
    databases=("default", "sales"),
    tenants=("sales",),
    credential_generation="g1",
    monitor_labels={},
)
BACKUP = BackupArgs(
    namespace="rag",
    account="suite",
    image="suite:1",
    resources=SMALL,
    target="{}",
    mounted=(Mounted(kind="secret", name="milvus-search", keys=("username", "password")),),
    endpoint=ENDPOINT,
    region="us-east-1",
    bucket="copies",
    secret="backup-key",
    ca_config_map="backup-store-ca",
    schedule="17 1 * * *",
    keep=14,
)
GATE = ScheduledGateArgs(
    namespace="rag",
    account="suite",
    image="suite:1",
    resources=SMALL,
    target="{}",
    slo="version: 1",
    mounted=BACKUP.mounted,
    schedule="23 3 * * *",
)
ENGINE = Container(arguments=("serve",), port=8080, health_path="/health", api_path="/v1")
SERVER = ModelServerArgs(namespace="rag", namespace_name="rag", account="thing", image="m:1", engine=ENGINE, resources=SMALL, replicas=1)
EMBEDDING = ModelArgs(served=replace(SERVER, engine=ENGINES["lab"].container(Model(role="embedding", name="m"))), model="m")
LLM = ModelArgs(served=replace(SERVER, engine=ENGINES["lab"].container(Model(role="llm", name="m"))), model="m")
RERANKER = ModelArgs(served=replace(SERVER, engine=ENGINES["lab"].container(Model(role="reranker", name="m"))), model="m")
FLOWS = table(Layout(cluster=False, etcd=False, services={}, endpoints=(Endpoint(name="store", url=ENDPOINT, users=("milvus",), why="w"),)))
QUOTA = Quota(cpu_cores=1, memory_gib=4, pods=10, ephemeral_storage_gib=None)
TENANCY = TenancyArgs(namespace="rag", pod_security="restricted", flows=FLOWS, accounts=("milvus", "embedding"), quota=QUOTA, protect=True)


def milvus_users() -> MilvusUsersArgs:
    server = Server(namespace="rag", namespace_uid="u", root_secret="milvus-root", uri="cluster://rag.svc.cluster.local", ca_pem="")
    return MilvusUsersArgs(server=server, tenants=("sales",), owner="p/s/u", generation=1, namespace=None, retain=True)


COMPONENTS: dict[str, Callable[[], pulumi.ComponentResource]] = {
    "Tenancy": lambda: Tenancy("thing", TENANCY),
    "Trust": lambda: Trust("thing", namespace="rag", ca_pem="PEM"),
    "ObjectStore": lambda: ObjectStore("thing", OBJECT_STORE),
    "MilvusRoot": lambda: MilvusRoot("thing", namespace="rag", generation=1),
    "MilvusDisruption": lambda: MilvusDisruption("thing", namespace="rag", components=("proxy", "querynode")),
    "Milvus": lambda: Milvus("thing", MILVUS),
    "MilvusUsers": lambda: MilvusUsers("thing", milvus_users()),
    "Preflight": lambda: Preflight("thing", PREFLIGHT),
    "LoadGenerators": lambda: LoadGenerators("thing", GENERATORS),
    "Ask": lambda: Ask("thing", ASK),
    "Backup": lambda: Backup("thing", BACKUP),
    "ScheduledGate": lambda: ScheduledGate("thing", GATE),
    "Monitoring": lambda: Monitoring("thing", MONITORING),
    "ModelServer": lambda: ModelServer("thing", "thing", SERVER),
    "Embedding": lambda: Embedding("thing", EMBEDDING),
    "Llm": lambda: Llm("thing", LLM),
    "Reranker": lambda: Reranker("thing", RERANKER),
    "ApiKey": lambda: ApiKey("thing", namespace="rag", secret_name="llm-api-key", rotation=1),
    "WeightsAccess": lambda: WeightsAccess("thing", store=STORE, bucket="weights", user="rag-weights", owner="p/s/u", namespace="rag"),
}


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_component_has_its_token_one_register_outputs_and_children_under_its_own_name(kind: str) -> None:
    component, *children = deploy(COMPONENTS[kind])
    assert (component.type, component.parent, component.outputs_registered) == (f"milvus-x10000:index:{kind}", "", 1)
    assert children
    names = {"thing", *(child.name for child in children)}
    for child in children:
        assert child.parent in names
        assert child.name.startswith(f"{child.parent}-")
