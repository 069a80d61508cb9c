"""An LLM of the stack whose engine is llama.cpp: the program that declares it, its settings, and what tests ask of it.

The program declares what the blueprint declares for an LLM (the namespace, the store's authority, the model services), without Milvus.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from components.engines import ENGINES
from lab.places import REPOSITORY, network
from stacks.settings.models import LlmSettings, version
from tests.e2e.lab import Lab
from tests.e2e.program import Program
from tests.llama import build
from tests.llama.build import Llama
from validation.clients import kube
from validation.clients.connect import Connector
from validation.clients.target import Target

NAMESPACE, BUCKET, PREFIX, NAME = "rag-llama", "llama-e2e-weights", "smollm2-135m/", "smollm2-135m"
FIGURES = REPOSITORY / "build" / "e2e" / "llama.json"
"""What was measured, for docs/models.md."""
SOURCE = """
import pulumi

from components.component import Trust
from stacks import environments
from stacks.problems import SettingsError
from stacks.wiring import models, tenancy

try:
    settings = environments.of_program("llama", pulumi.runtime.config.CONFIG.get() or pulumi.runtime.get_config_env())
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
frame = tenancy.declare(settings)
trust = Trust("object-store-ca", namespace=frame.namespace, ca_pem=settings.object_store.ca_pem)
_, llm, _ = models.declare(settings, frame, trust)
pulumi.export("llm_url", llm.url)
pulumi.export("llm_secret_name", llm.secret_name)
"""
WEIGHTS = {"source": "bucket", "bucket": BUCKET, "prefix": PREFIX, "file": build.MODEL, "size_gib": 0.1}
LLM: dict[str, Any] = {
    "engine": "llama_cpp",
    "model": NAME,
    "context_tokens": 4096,
    "sequences": 2,
    "cpu_cores": 1,
    "memory_gib": 2,
    "shape": {"parameters_billion": 0.1345, "bytes_per_parameter": 0.73, "layers": 30, "kv_heads": 3, "head_dimension": 64},
    "weights": WEIGHTS,
}
"""As in stacks/Pulumi.dev.yaml; numbers of the model as its file has them, one core since the lab has two."""
CACHED_MIB = 24
OTHER: dict[str, Any] = LLM | {
    "kv_cache_type": "q8_0",
    "cache": {"size_gib": 1},
    "options": {"cache-ram": CACHED_MIB, "flash-attn": True, "reasoning": False, "jinja": True, "batch-size": 512, "load-mode": "mmap"},
}
"""The same with all that `dev` leaves to the engine: a quantised cache, options of each kind, a volume that outlives the pod."""
PATIENCE_S = 180
LOADED = re.compile(r"2 files, (?P<all>[\d.]+) MiB, (?P<copied>[\d.]+) MiB copied")


@dataclass(frozen=True)
class Service:
    """The stack of these tests, and the service in it."""

    lab: Lab
    program: Program
    llama: Llama

    def kubectl(self, *arguments: str) -> str:
        return self.lab.output("kubectl", "-n", NAMESPACE, *arguments)

    def settings(self) -> LlmSettings:
        """Return the LLM's settings as the stack has them now."""
        return LlmSettings(**yaml.safe_load(self.program.config_file.read_text())["config"]["milvus-x10000:llm"])

    def up(self, llm: Mapping[str, Any]) -> None:
        """Let `pulumi up` make this of the LLM, which ends once its pod is ready."""
        self.program.configure("llm", dict(llm))
        self.program.pulumi("up", "--yes", "--skip-preview", "--non-interactive")

    def pod(self) -> dict[str, Any]:
        """Return the newest pod that is not being removed, nothing for a moment without one."""
        listed = self.lab.kubectl("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/name=llm")["items"]
        kept = [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]
        return dict(max(kept, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default={}))

    def log(self, container: str) -> str:
        return self.kubectl("logs", self.pod()["metadata"]["name"], "-c", container)

    def copied_mib(self) -> float:
        """Return how much the init container of the newest pod copied."""
        loaded = LOADED.search(self.log("load-weights"))
        assert loaded is not None, self.log("load-weights")
        return float(loaded["copied"])

    def delete_pod(self) -> None:
        """Delete the pod and wait until another one is ready."""
        old = self.pod()["metadata"]["name"]
        self.kubectl("delete", "pod", old, "--wait=true")
        self.wait(lambda: is_ready(self.pod()), "no other pod became ready")

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: {self.kubectl('describe', 'pods')}"
            time.sleep(0.5)

    def process(self) -> psutil.Process:
        """Return the server, as this machine sees it."""
        (found,) = (
            each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] and each.info["cmdline"][0] == "/app/llama-server"
        )
        return found

    def memory_mib(self) -> dict[str, int]:
        """Return the most that the server ever had in memory, weights that are mapped included, and what of it now is no file's."""
        status = Path(f"/proc/{self.process().pid}/status").read_text()
        return {name: int(re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[0]) // 1024 for name in ("VmHWM", "RssAnon")}

    def estimate_mib(self) -> dict[str, int]:
        """Return the parts of the estimate by which the settings are judged."""
        settings, engine = self.settings(), ENGINES["llama_cpp"]
        model = settings.served(self.version)
        assert model.shape is not None
        width = engine.kv_cache_types.get(model.kv_cache_type, 2.0)
        cache = model.shape.kv_cache_gib(model.context_tokens, model.sequences, width)
        parts = {"weights": model.shape.weights_gib(), "KV cache": cache, **engine.needs(model)}
        return {name: round(gib * 1024) for name, gib in parts.items()}

    @property
    def version(self) -> tuple[int, ...]:
        found = version(self.settings(), self.llama.image.reference)
        assert found is not None, self.llama.image.reference
        return found

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Outputs of the stack, which no later `up` changes."""
        return dict(json.loads(self.program.pulumi("stack", "output", "--json")))

    @contextmanager
    def connector(self) -> Iterator[Connector]:
        """Aim the gate at the service."""
        unused = {"milvus_uri": "http://none", "documents_bucket": "none", "documents_secret_name": "none"}
        embedding = {"embedding_url": "http://none", "embedding_model": "none", "embedding_dimension": 384}
        store = {"object_store_endpoint": network().s3_endpoint, "object_store_region": "us-east-1"}
        named = {"namespace": NAMESPACE, "llm_model": NAME, "llm_answer_tokens": 48}
        target = Target.model_validate(unused | embedding | store | named | self.outputs)
        with ExitStack() as stack, closing(kube.connect()) as kubernetes:
            yield Connector(target=target, kubernetes=kubernetes, closing=stack, secrets=[])

    @contextmanager
    def client(self, *, with_key: bool = True) -> Iterator[httpx.Client]:
        """Return a plain client of the service's root."""
        with self.connector() as connector:
            url = connector.kubernetes.address(connector.target.llm_url).removesuffix("/v1")
            key = connector.kubernetes.api_key(NAMESPACE, connector.target.llm_secret_name)
            headers = {"Authorization": f"Bearer {key}"} if with_key else {}
            with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
                yield client

    def note(self, **figures: Any) -> None:
        """Keep what was measured."""
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        FIGURES.write_text(json.dumps(kept | figures, indent=2) + "\n")


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": NAME, "messages": [{"role": "user", "content": text}], "max_tokens": 32, "temperature": 0, **more}
