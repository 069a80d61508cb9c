"""Model services in real pods: weights from a bucket, a key rotated in use, a service behind TLS and a key, one that is never ready."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from components import stores
from components.engines import ENGINES
from components.engines.engine import Model, Role
from components.model_server import ModelServerArgs
from components.models import Embedding, Llm, ModelArgs
from components.pods import Resources
from components.stores.s3 import S3CredentialProvider, S3Server
from components.weights import Bucket, Cache
from lab.places import PKI, network
from lab.services.embedder import DIMENSION, MODEL
from lab.services.embedder import WEIGHTS as FILE
from tests import certificates
from tests.deploy import deploy
from tests.e2e.lab import Lab
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.passages import Chunk
from validation.clients.target import Target
from validation.judge.errors import GateError, InvalidRunError, UnreachableError, UsageError

pytestmark = pytest.mark.e2e

NAMESPACE = "models-e2e"
WEIGHTS = "models-e2e-weights"
HOST = f"llm.{NAMESPACE}.svc.cluster.local"
LONGEST_START_S = 300
LLM_TIMEOUT_S = 30


@dataclass(frozen=True)
class Pods:
    """The services of these tests, in a namespace of their own."""

    lab: Lab
    home: Path

    def kubectl(self, *arguments: str) -> str:
        return self.lab.output("kubectl", "-n", NAMESPACE, *arguments)

    def apply(self, *objects: dict[str, Any]) -> None:
        path = self.home / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        self.kubectl("apply", "-f", str(path))

    def wait(self, name: str) -> None:
        self.kubectl("rollout", "status", "deployment", name, f"--timeout={LONGEST_START_S}s")

    def loading(self, name: str) -> str:
        """Return what the init container of the newest pod said."""
        pods = self.lab.kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app.kubernetes.io/name={name}")["items"]
        newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return self.kubectl("logs", newest["metadata"]["name"], "-c", "load-weights")

    @contextmanager
    def connector(self, **outputs: Any) -> Iterator[Connector]:
        """Aim the gate at these services, some outputs changed."""
        usual = {
            "namespace": NAMESPACE,
            "milvus_uri": "http://nobody",
            "documents_bucket": "none",
            "documents_secret_name": "none",
            "object_store_endpoint": network().s3_endpoint,
            "object_store_region": "us-east-1",
            "embedding_url": f"http://embedding.{NAMESPACE}.svc.cluster.local:8080/v1",
            "embedding_model": MODEL,
            "embedding_dimension": DIMENSION,
            "embedding_secret_name": "embedding-api-key",
            "llm_url": f"https://{HOST}:8080/v1",
            "llm_model": "lab-reader",
            "llm_secret_name": "llm-api-key",
            "llm_ca_config_map": "llm-ca",
        }
        with ExitStack() as stack, closing(kube.connect()) as kubernetes:
            target = Target.model_validate(usual | outputs)
            yield Connector(target=target, kubernetes=kubernetes, closing=stack, secrets=[])

    def checked(self, **outputs: Any) -> None:
        """Connect and check as a run of the gate does."""
        with self.connector(**outputs) as connector:
            connector.check(connector.models(LLM_TIMEOUT_S))


def objects(program: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the objects of the cluster that a program declares."""
    return [dict(item.inputs) for item in deploy(program) if item.type.startswith("kubernetes:")]


def served(lab: Lab, role: Role, location: str = "") -> ModelServerArgs:
    return ModelServerArgs(
        namespace=NAMESPACE,
        namespace_name=NAMESPACE,
        account=role,
        image=lab.outputs()["images"]["embedding"],
        engine=ENGINES["lab"].container(Model(role=role, name="m", location=location)),
        resources=Resources(cpu_cores=0.05, memory_gib=0.5),
        replicas=1,
    )


def suite(lab: Lab) -> str:
    """Return the suite's image as the node has it: by digest."""
    names = [name for image in lab.kubectl("get", "nodes")["items"][0]["status"]["images"] for name in image["names"]]
    return next(str(name) for name in names if name.startswith("lab.local/suite") and "@sha256:" in name)


def embedding(lab: Lab, prefix: str, *, cached: bool) -> ModelArgs:
    weights = Bucket(
        endpoint=network().s3_endpoint,
        region="us-east-1",
        bucket=WEIGHTS,
        prefix=prefix,
        secret_name="weights",
        ca_config_map="object-store-ca",
        image=suite(lab),
    )
    cache = Cache(size_gib=1, storage_class=None, shared=False) if cached else None
    args = replace(served(lab, "embedding", f"/weights/{FILE.name}"), weights=weights, size_gib=0.08, cache=cache)
    return ModelArgs(served=args, model=MODEL)


def behind_tls(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Change the LLM service into one as somebody else might run it: HTTPS with a certificate of a private authority."""
    for one in found:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            container = pod["containers"][0]
            container["args"] += ["--tls-cert", "/tls/tls.crt", "--tls-key", "/tls/tls.key"]
            container["volumeMounts"].append({"name": "tls", "mountPath": "/tls", "readOnly": True})
            pod["volumes"].append({"name": "tls", "secret": {"secretName": "tls"}})
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                container[probe]["httpGet"]["scheme"] = "HTTPS"
    return found


@pytest.fixture(scope="module")
def store(lab: Lab) -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"):
            patch.setenv(name, lab.environment()[name])
        ca_pem = (PKI / "store-ca.crt").read_text()
        net = network()
        yield S3Server(
            endpoint=net.s3_endpoint, iam_endpoint=net.iam_endpoint, region="us-east-1", ca_pem=ca_pem, admin_profile="lab-admin"
        )


@pytest.fixture(scope="module")
def reader(store: S3Server) -> Iterator[dict[str, str]]:
    """Put the model's weights into a bucket, and make a user that may read it and nothing else."""
    user = {**store.inputs(), "user": WEIGHTS, "policy": stores.document(WEIGHTS, stores.READER), "owner": "milvus-x10000/e2e/models"}
    with store.s3() as s3:
        s3.create_bucket(Bucket=WEIGHTS)
        s3.upload_file(str(FILE), WEIGHTS, f"e5/{FILE.name}")
        made = S3CredentialProvider().create(user).outs or {}
        try:
            yield {name: str(made[name]) for name in ("access_key", "secret_key")}
        finally:
            S3CredentialProvider().delete(WEIGHTS, made)
            s3.delete_object(Bucket=WEIGHTS, Key=f"e5/{FILE.name}")
            s3.delete_bucket(Bucket=WEIGHTS)


@pytest.fixture(scope="module")
def pods(lab: Lab, store: S3Server, reader: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Start all services at once: one that loads from the bucket, one behind TLS, one whose weights are not there."""
    home = tmp_path_factory.mktemp("pods")
    found = Pods(lab, home)
    tls = certificates.make(home, hosts=(HOST,))
    named = {"namespace": NAMESPACE}
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    try:
        found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": level}})
        found.apply(
            *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, **named}} for name in ("embedding", "llm")),
            config_map("object-store-ca", {"ca.crt": store.ca_pem}),
            config_map("llm-ca", {"ca.crt": tls.pem}),
            secret("weights", reader),
            secret("wrong-key", {"api_key": "not-this-one"}),
            secret("tls", {"tls.crt": tls.crt_file.read_text(), "tls.key": tls.key_file.read_text()}),
            *objects(lambda: Embedding("embedding", embedding(lab, "e5/", cached=True))),
            *objects(lambda: Embedding("broken", embedding(lab, "nothing/", cached=False))),
            *behind_tls(objects(lambda: Llm("llm", ModelArgs(served=served(lab, "llm"), model="m")))),
        )
        for name in ("embedding", "llm"):
            found.wait(name)
        yield found
    finally:
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data}


def test_weights_from_the_bucket_are_what_the_pod_serves(pods: Pods) -> None:
    assert f"weights: s3://{WEIGHTS}/e5/ at {network().s3_endpoint}: 1 files, " in pods.loading("embedding")
    pods.checked()


def test_a_service_outside_answers_over_tls_with_its_key(pods: Pods) -> None:
    with pods.connector() as connector:
        found = connector.models(LLM_TIMEOUT_S)
        text = "A forklift may go 8 km/h."
        source = Chunk(title="Forklifts", document_id="forklifts", text=text, section="", language="en", source="", sha256="")
        assert "8 km/h. [1]" in found.llm.ask("How fast may a forklift go?", [source]).text


@pytest.mark.parametrize(
    ("outputs", "kind", "words"),
    [
        ({"llm_ca_config_map": ""}, UsageError, ["not trusted (self-signed certificate)", "external.ca_file"]),
        ({"llm_secret_name": "wrong-key"}, UsageError, ["status 401", "not the one it wants"]),
        ({"llm_secret_name": ""}, UsageError, ["status 401"]),
        ({"llm_url": f"https://{HOST}:8080/other"}, UsageError, ["no list of models", "usually with /v1"]),
        ({"llm_model": "other"}, InvalidRunError, ["serves ['lab-reader'], declared is 'other'"]),
        ({"llm_context_tokens": 8192}, InvalidRunError, ["reads 4096 tokens, declared are 8192"]),
        ({"embedding_model": "bge-m3"}, InvalidRunError, [f"serves ['{MODEL}']"]),
        ({"embedding_dimension": 256}, InvalidRunError, ["dimension 256", "cannot be searched with another"]),
    ],
)
def test_a_wrong_declaration_is_told_with_its_cure(pods: Pods, outputs: dict[str, Any], kind: type[GateError], words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        pods.checked(**outputs)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_service_that_never_becomes_ready_is_told_with_its_last_words(pods: Pods) -> None:
    deadline = time.monotonic() + LONGEST_START_S
    while "holds no object" not in (said := silence(pods)):
        assert time.monotonic() < deadline, said
        time.sleep(1)
    assert "embedding service at http://" in said
    assert "does not answer" in said


def silence(pods: Pods) -> str:
    with pytest.raises(UnreachableError) as caught:
        pods.checked(embedding_url=f"http://broken.{NAMESPACE}.svc.cluster.local:8080/v1")
    return str(caught.value)


def test_a_key_rotated_in_use_is_read_anew_and_weights_are_not_copied_again(pods: Pods) -> None:
    with pods.connector() as connector:
        client = connector.models(LLM_TIMEOUT_S).embedding
        before = client.embed_queries(["forklift"])
        pods.apply(secret("embedding-api-key", {"api_key": "another-key"}))
        annotation = {"spec": {"template": {"metadata": {"annotations": {"milvus-x10000/api-key-generation": "k2"}}}}}
        pods.kubectl("patch", "deployment", "embedding", "--patch", json.dumps(annotation))
        pods.wait("embedding")
        assert (soon(lambda: client.embed_queries(["forklift"])) == before).all()
        assert connector.secrets[-1] == "another-key"
    assert "0.0 MiB copied" in pods.loading("embedding")


@retry(retry=retry_if_exception_type(UnreachableError), stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
def soon(ask: Callable[[], Any]) -> Any:
    """Ask until the Service leads to the new pod: that takes a moment after it is ready."""
    return ask()
