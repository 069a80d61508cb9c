"""llama.cpp's own server in a pod of the stack: weights from a bucket, flags, probes, key, streaming, restarts, memory.

Nothing is promised of its answers. The settings are those of `dev`, with a small model; tests/llama makes server and image, once.
"""

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from components.engines import ENGINES
from lab import cluster, project
from lab.places import CACHE, REPOSITORY, network
from lab.steps import Steps
from tests.e2e.lab import Lab, without_models
from tests.e2e.program import Program
from tests.e2e.test_red_store import as_administrator
from tests.llama import build
from tests.llama.build import Llama
from tests.llama.service import BUCKET, FIGURES, LLM, NAMESPACE, OTHER, PATIENCE_S, PREFIX, SOURCE, Service, chat, is_ready
from validation.clients.passages import Chunk
from validation.judge.errors import InvalidRunError

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]

LONG_PROMPT = 500  # words, about twice as many tokens: 12 MiB of q8_0


@pytest.fixture(scope="module")
def llama(request: pytest.FixtureRequest) -> Llama:
    terminal: Any = request.config.get_terminal_writer()
    return build.ensure(Steps(log=CACHE / "log" / "commands.log", out=terminal))


@pytest.fixture(scope="module")
def s3(llama: Llama) -> Iterator[Any]:
    """Put the weights into a bucket with their checksum, as docs/models.md says."""
    content = llama.model.read_bytes()
    sums = f"{hashlib.sha256(content).hexdigest()}  {build.MODEL}\n"
    with closing(as_administrator("s3", network().s3_endpoint)) as client:
        client.create_bucket(Bucket=BUCKET)
        try:
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}{build.MODEL}", Body=content)
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}SHA256SUMS", Body=sums.encode())
            yield client
        finally:
            for name in (build.MODEL, "SHA256SUMS"):
                client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}{name}")
            client.delete_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def service(lab: Lab, llama: Llama, s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    assert s3 is not None
    config = without_models(NAMESPACE)
    config["milvus-x10000:images"] |= {"llm": llama.image.reference}
    config["milvus-x10000:milvus"] |= {"chart": str(REPOSITORY / "lab" / "chart" / "milvus")}  # read from another folder
    config["milvus-x10000:object_store"] |= {"confirm_delete": [f"{NAMESPACE}-milvus", f"{NAMESPACE}-documents"]}
    home = tmp_path_factory.mktemp("llama")
    cluster.import_images([llama.image], Steps(log=CACHE / "log" / "commands.log"), 1)
    program = Program(home, lab.environment(), SOURCE, config | {"milvus-x10000:llm": LLM}, name=project.PROJECT, stack="llama")
    found = Service(lab, program, llama)
    FIGURES.unlink(missing_ok=True)
    try:
        began = time.monotonic()
        found.up(LLM)
        found.note(up_s=round(time.monotonic() - began, 1), image=llama.image.reference)
        yield found
    finally:
        program.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
        assert lab.run("kubectl", "get", "namespace", NAMESPACE).code != 0, "destroy ended, and the namespace is still there"


def server(llama: Llama, *arguments: str) -> tuple[int, str]:
    """Run the server itself to its end, which comes soon where it refuses what it is told."""
    ended = subprocess.run([llama.server, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_the_server_documents_every_flag_and_option_that_the_engine_allows(llama: Llama) -> None:
    code, text = server(llama, "--help")
    known, engine = set(re.findall(r"--[a-z][\w-]*", text)), ENGINES["llama_cpp"]
    allowed = {f"--{name}" for name in engine.options[max(engine.options)] | engine.sets.keys()}
    assert (code, allowed - known) == (0, set())
    assert {"--metrics", "--no-ui", "--offline", "--host", "--port"} <= known


@pytest.mark.parametrize(
    ("llm", "refusal", "flags", "words"),
    [
        (
            {"options": {"no-such-flag": 1}},
            "is no option that llama_cpp documents",
            ("--no-such-flag", "1"),
            "invalid argument: --no-such-flag",
        ),
        (
            {"kv_cache_type": "q8_0", "options": {"flash-attn": False}},
            "the quantised KV cache 'q8_0' needs it",
            ("--cache-type-v", "q8_0", "--flash-attn", "off"),
            "quantized V cache requires flash_attn",
        ),
    ],
    ids=["an unknown flag", "a quantised cache without flash attention"],
)
def test_what_the_server_does_not_start_with_is_refused_before_anything_is_deployed(
    service: Service, llm: dict[str, Any], refusal: str, flags: tuple[str, ...], words: str
) -> None:
    code, text = server(service.llama, "--model", str(service.llama.model), "--ctx-size", "512", "--port", "0", *flags)
    assert (code != 0, words in text) == (True, True), text
    service.program.configure("llm", LLM | llm)
    try:
        assert refusal in service.program.pulumi("preview", "--non-interactive", fails=True)
    finally:
        service.program.configure("llm", LLM)


def test_the_init_container_copies_the_weights_and_their_sums_from_the_bucket(service: Service) -> None:
    loaded = service.log("load-weights")
    assert f"s3://{BUCKET}/{PREFIX} at {network().s3_endpoint}: 2 files, " in loaded
    assert service.copied_mib() == pytest.approx(service.llama.model.stat().st_size / 2**20, abs=0.1)


def test_the_container_has_the_flags_that_the_engine_declares_and_every_probe_is_green(service: Service) -> None:
    pod = service.pod()
    (container,), (status,) = pod["spec"]["containers"], pod["status"]["containerStatuses"]
    declared = ENGINES["llama_cpp"].container(service.settings().served(service.version))
    assert container["args"] == list(declared.arguments)
    assert "command" not in container
    assert "LLAMA_API_KEY" in {each["name"] for each in container["env"]}
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)
    with service.client() as client:
        properties = client.get("/props").raise_for_status().json()
    assert (properties["total_slots"], properties["default_generation_settings"]["n_ctx"]) == (2, 4096)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/completion", "/metrics", "/props", "/slots"])
def test_without_its_key_the_service_answers_401_and_with_it_200(service: Service, path: str) -> None:
    bodies = {"/v1/chat/completions": chat("Hello", max_tokens=1), "/completion": {"prompt": "Hello", "n_predict": 1}}
    method = "POST" if path in bodies else "GET"
    with service.client(with_key=False) as stranger, service.client() as client:
        assert stranger.request(method, path, json=bodies.get(path)).status_code == 401
        assert client.request(method, path, json=bodies.get(path)).status_code == 200
        assert stranger.get("/health").status_code == 200


def test_the_key_is_neither_in_the_arguments_nor_in_the_log(service: Service) -> None:
    with service.connector() as connector:
        key = connector.kubernetes.api_key(NAMESPACE, "llm-api-key")
    assert key not in service.log("llm")
    assert key not in json.dumps(service.pod())
    assert key not in " ".join(service.process().cmdline())


def test_an_answer_comes_in_pieces(service: Service) -> None:
    with service.client() as client, client.stream("POST", "/v1/chat/completions", json=chat("Count to ten.", stream=True)) as response:
        reads = [read for read in response.iter_raw() if read]
    events = [json.loads(line[6:]) for line in b"".join(reads).decode().splitlines() if line.startswith("data: {")]
    pieces = [text for event in events for each in event["choices"] if (text := each["delta"].get("content"))]
    assert len(pieces) > 1
    assert len(reads) > 1, "all came at once"


def test_the_gate_reads_its_context_and_gets_an_answer(service: Service) -> None:
    text = "A forklift may go 8 km/h."
    source = Chunk(title="Forklifts", document_id="forklifts", text=text, section="", language="en", source="", sha256="")
    with service.connector() as connector:
        llm = connector.models(PATIENCE_S).llm
        llm.check(4096)
        with pytest.raises(InvalidRunError, match="reads 4096 tokens, declared are 8192"):
            llm.check(8192)
        answer = llm.ask("How fast may a forklift go?", [source])
        notes = llm.notes
    assert answer.text.strip()
    assert 0 < answer.first_token_s < answer.total_s
    assert notes == [], "no request had to be changed"
    service.note(answer={"first_token_s": round(answer.first_token_s, 3), "total_s": round(answer.total_s, 3), "text": answer.text})


def test_metrics_count_the_requests_that_wait(service: Service) -> None:
    with service.client() as client:
        metrics = client.get(ENGINES["llama_cpp"].metrics_path).raise_for_status().text
    assert re.search(rf"^{ENGINES['llama_cpp'].queue_metric} 0$", metrics, re.MULTILINE), metrics


def test_its_memory_stays_within_the_estimate(service: Service) -> None:
    estimate, memory = service.estimate_mib(), service.memory_mib()
    service.note(default={"estimate_mib": estimate, "memory_mib": memory})
    assert memory["VmHWM"] <= sum(estimate.values())


def test_a_killed_server_comes_back_in_its_pod_and_copies_nothing(service: Service) -> None:
    before = service.pod()
    service.process().kill()

    def has_restarted() -> bool:
        pod = service.pod()
        return is_ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] == 1

    service.wait(has_restarted, "the server did not come back")
    after = service.pod()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert [each["restartCount"] for each in after["status"]["initContainerStatuses"]] == [0]


def test_without_a_cache_volume_another_pod_copies_the_weights_again(service: Service) -> None:
    service.delete_pod()
    assert service.copied_mib() > 90
    with service.client() as client:
        assert client.get("/v1/models").status_code == 200


def test_options_and_a_quantised_cache_are_taken_by_the_server(service: Service) -> None:
    service.up(OTHER)
    (container,) = service.pod()["spec"]["containers"]
    assert container["args"] == list(ENGINES["llama_cpp"].arguments(service.settings().served(service.version)))
    assert {"--cache-type-v", "--flash-attn", "--reasoning", "--load-mode"} <= set(container["args"])
    with service.client() as client:
        assert client.post("/v1/chat/completions", json=chat("Hello")).status_code == 200


def test_with_a_cache_volume_another_pod_copies_nothing(service: Service) -> None:
    assert service.copied_mib() > 90, "the volume was empty"
    service.delete_pod()
    assert service.copied_mib() == 0


@pytest.mark.timeout(900)
def test_prompts_that_are_kept_stay_within_the_limit_that_is_counted(service: Service) -> None:
    with service.client() as client:
        for number in range(6):
            text = f"{number} " * LONG_PROMPT
            client.post("/v1/chat/completions", json=chat(text, max_tokens=1)).raise_for_status()
    assert "removing oldest entry" in service.log("llm"), "the limit was not reached"
    estimate, memory = service.estimate_mib(), service.memory_mib()
    service.note(full={"estimate_mib": estimate, "memory_mib": memory, "pod_mib": service.settings().memory_gib * 1024})
    assert service.pod()["status"]["containerStatuses"][0]["restartCount"] == 0
    assert memory["VmHWM"] <= sum(estimate.values())


def test_damaged_weights_stop_the_pod_with_a_message_that_names_them(service: Service, s3: Any) -> None:
    key, content = f"{PREFIX}{build.MODEL}", service.llama.model.read_bytes()
    damaged = content[:-1] + bytes([content[-1] ^ 1])
    s3.put_object(Bucket=BUCKET, Key=key, Body=damaged)
    service.kubectl("delete", "pod", service.pod()["metadata"]["name"], "--wait=true")
    words = f"{key!r} has the sha256 {hashlib.sha256(damaged).hexdigest()}, SHA256SUMS says {hashlib.sha256(content).hexdigest()}"

    def is_told() -> bool:
        with service.connector() as connector:
            return words in connector.kubernetes.last_words(connector.target.llm_url)

    service.wait(is_told, "the gate does not say why")
    assert not is_ready(service.pod())
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    service.delete_pod()
    assert service.copied_mib() == 0, "the whole copy on the volume was not kept"
