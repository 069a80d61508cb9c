"""Engines, their options by version, and memory: pure functions, checked against numbers and lists from their sources."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.engines import ENGINES, serving
from components.engines.engine import Container, Engine, Model
from components.memory import Load, Shape, shortage

OPT_13B = Shape(parameters_billion=13, bytes_per_parameter=2, layers=40, kv_heads=40, head_dimension=128)
LLAMA_8B = Shape(parameters_billion=8.03, bytes_per_parameter=2, layers=32, kv_heads=8, head_dimension=128)
QWEN_Q4 = Shape(parameters_billion=1.54, bytes_per_parameter=0.57, layers=28, kv_heads=2, head_dimension=128)
SERVED = {f"{name} {role}": (engine, role) for name, engine in ENGINES.items() for role in sorted(engine.roles) if name != "external"}
NEWEST = {name: max(engine.options) for name, engine in ENGINES.items() if engine.options}
GOOD: dict[str, Model] = {
    "lab": Model(role="llm", name="m"),
    "tei": Model(role="embedding", name="m", source="bucket", location="/weights", size_gib=2.3, memory_gib=8),
    "vllm": Model(
        role="llm",
        name="m",
        source="bucket",
        location="/weights",
        context_tokens=4096,
        sequences=4,
        gpus=2,
        gpu_memory_gib=24,
        shape=LLAMA_8B,
    ),
    "llama_cpp": Model(
        role="llm",
        name="m",
        source="bucket",
        location="/weights/m.gguf",
        context_tokens=4096,
        sequences=4,
        cpu_cores=3.7,
        memory_gib=4,
        shape=QWEN_Q4,
    ),
}


def container(name: str) -> Container:
    engine, role = SERVED[name]
    return engine.container(replace(GOOD[engine.name], role=role))


def codes(engine: str, **changes: Any) -> list[tuple[str, str]]:
    """Return code and setting of everything that is wrong with a good model after changes."""
    return [(each.code, each.setting) for each in ENGINES[engine].problems(replace(GOOD[engine], **changes))]


def value(arguments: tuple[str, ...], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


@pytest.mark.parametrize("name", SERVED)
def test_every_engine_has_a_probe_a_key_from_the_environment_and_no_key_in_its_arguments(name: str) -> None:
    found = container(name)
    assert found.health_path == "/health"
    assert found.key_variable in {"API_KEY", "VLLM_API_KEY", "LLAMA_API_KEY"}
    assert not [argument for argument in found.arguments if "key" in argument]
    assert found.key_variable not in found.environment


@pytest.mark.parametrize("name", GOOD)
def test_a_good_model_has_no_problem_with_the_newest_version_that_was_read(name: str) -> None:
    assert codes(name, version=NEWEST.get(name)) == []


def test_each_role_knows_who_can_serve_it() -> None:
    assert serving("embedding") == ["lab", "tei", "vllm", "external"]
    assert serving("llm") == ["lab", "vllm", "llama_cpp", "external"]
    assert serving("reranker") == ["lab", "tei", "external"]


@pytest.mark.parametrize("name", [name for name in SERVED if not name.startswith(("lab", "llama"))])
def test_an_engine_with_a_hub_client_is_offline_and_silent_unless_told_to_download(name: str) -> None:
    environment = container(name).environment
    assert environment["HF_HUB_OFFLINE"] == environment["TRANSFORMERS_OFFLINE"] == "1"
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == environment["DO_NOT_TRACK"] == "1"
    engine, role = SERVED[name]
    downloading = engine.container(replace(GOOD[engine.name], role=role, location="BAAI/bge-m3", revision="0" * 40, offline=False))
    assert "HF_HUB_OFFLINE" not in downloading.environment
    assert value(downloading.arguments, "--revision") == "0" * 40


def test_llama_cpp_gets_one_context_a_slot_whole_threads_and_a_bound_on_its_cache() -> None:
    arguments = container("llama_cpp llm").arguments
    assert (value(arguments, "--ctx-size"), value(arguments, "--parallel"), value(arguments, "--threads")) == ("16384", "4", "3")
    assert value(arguments, "--cache-ram") == "1024"


def test_the_web_page_of_llama_cpp_is_off_under_the_name_that_its_build_knows() -> None:
    for version, flag in (((8672, 0, 0), "--no-webui"), ((11549, 0, 0), "--no-ui"), (None, "--no-ui")):
        assert flag in ENGINES["llama_cpp"].arguments(replace(GOOD["llama_cpp"], version=version))


def test_vllm_splits_the_model_over_all_gpus_of_the_pod() -> None:
    arguments = container("vllm llm").arguments
    assert (value(arguments, "--tensor-parallel-size"), value(arguments, "--max-model-len")) == ("2", "4096")
    assert value(container("vllm embedding").arguments, "--runner") == "pooling"


def test_tei_takes_at_least_as_many_texts_a_request_as_the_gate_sends() -> None:
    assert int(value(container("tei embedding").arguments, "--max-client-batch-size")) >= 64
    wider = ENGINES["tei"].arguments(replace(GOOD["tei"], options={"max-client-batch-size": 512}))
    assert wider.count("--max-client-batch-size") == 1
    assert value(wider, "--max-client-batch-size") == "512"


def test_tei_does_not_log_its_arguments_among_which_is_the_key() -> None:
    directives = dict(part.rpartition("=")[::2] for part in container("tei embedding").environment["LOG_LEVEL"].split(","))
    assert directives == {"": "info", "text_embeddings_router": "warn", "text_embeddings_router::http": "info"}


@pytest.mark.parametrize(
    ("engine", "options", "expected"),
    [
        ("tei", {"dtype": "float16", "json-output": True}, ("--dtype", "float16", "--json-output")),
        ("tei", {"auto-truncate": False}, ("--auto-truncate", "false")),
        ("tei", {"auto-truncate": True}, ("--auto-truncate",)),
        ("vllm", {"enforce-eager": True, "enable-prefix-caching": False}, ("--no-enable-prefix-caching", "--enforce-eager")),
        ("llama_cpp", {"flash-attn": True}, ("--flash-attn", "on")),
        ("llama_cpp", {"flash-attn": False, "reasoning": "auto"}, ("--flash-attn", "off", "--reasoning", "auto")),
        ("llama_cpp", {"top-p": 0.9, "jinja": True}, ("--jinja", "--top-p", "0.9")),
    ],
)
def test_an_option_is_written_as_its_engine_reads_it(engine: str, options: Mapping[str, Any], expected: tuple[str, ...]) -> None:
    assert ENGINES[engine].flags(options) == expected
    assert codes(engine, options=options, version=NEWEST[engine]) == []


def test_no_option_that_the_stack_sets_itself_may_be_given_besides() -> None:
    for name, (engine, _) in SERVED.items():
        ours = {argument.removeprefix("--") for argument in container(name).arguments if argument.startswith("--")}
        known = frozenset[str]().union(*engine.options.values())
        assert ours & known <= {"max-client-batch-size", "cache-ram"}, name


def test_every_flag_and_variable_of_an_engine_is_in_the_table_of_the_documentation() -> None:
    table = Path("docs/models.md").read_text(encoding="utf-8")
    found = [container(name) for name in SERVED]
    used = {*(flag for each in found for flag in each.arguments if flag.startswith("--"))}
    used |= {name for each in found for name in (*each.environment, each.key_variable, each.queue_metric) if name}
    assert [word for word in sorted(used - {"HOME"}) if f"`{word}`" not in table and f"`{word} " not in table] == []


def test_the_versions_that_were_read_are_in_the_documentation() -> None:
    text = Path("docs/models.md").read_text(encoding="utf-8")
    assert [engine.shown(read) for engine in ENGINES.values() for read in engine.options if engine.shown(read) not in text] == []


@pytest.mark.parametrize(
    ("engine", "repository", "tag", "version"),
    [
        ("tei", "huggingface/text-embeddings-inference", "cpu-1.9.3", (1, 9, 3)),
        ("tei", "huggingface/text-embeddings-inference", "89-1.9", (1, 9, 0)),
        ("tei", "huggingface/text-embeddings-inference", "1.8.2", (1, 8, 2)),
        ("tei", "huggingface/text-embeddings-inference", None, None),
        ("tei", "acme/embedding", "1.0", None),
        ("vllm", "vllm/vllm-openai", "v0.33.0", (0, 33, 0)),
        ("vllm", "vllm/vllm-openai", "v0.33.0-cu129", (0, 33, 0)),
        ("vllm", "vllm/vllm-openai", "2026-acme", None),
        ("llama_cpp", "ggml-org/llama.cpp", "server-b11549", (11549, 0, 0)),
        ("llama_cpp", "ggml-org/llama.cpp", "server-cuda-b8672", (8672, 0, 0)),
        ("llama_cpp", "ggml-org/llama.cpp", "server", None),
        ("lab", "lab.local/models", "1.0.0", None),
    ],
)
def test_the_version_of_an_engine_is_read_from_its_own_tags_alone(
    engine: str, repository: str, tag: str | None, version: tuple[int, ...] | None
) -> None:
    assert ENGINES[engine].version(repository, tag) == version


@pytest.mark.parametrize(
    ("engine", "changes", "expected"),
    [
        # versions
        ("tei", {"version": (1, 8, 2)}, ("models.version", "engine")),
        ("llama_cpp", {"version": (6000, 0, 0)}, ("models.version", "engine")),
        ("vllm", {"version": (0, 10, 2)}, ("models.version", "engine")),
        ("vllm", {"version": (0, 33, 0), "options": {"swap-space": 4}}, ("models.option_version", "options.swap-space")),
        ("vllm", {"version": (0, 11, 0), "options": {"performance-mode": "x"}}, ("models.option_version", "options.performance-mode")),
        ("llama_cpp", {"version": (8672, 0, 0), "options": {"load-mode": "mlock"}}, ("models.option_version", "options.load-mode")),
        ("tei", {"version": (1, 10, 0), "scales_by_queue": True}, ("models.queue_metric", "scaling.waiting_requests")),
        # options
        ("tei", {"options": {"pool": "cls"}}, ("models.option_unknown", "options.pool")),
        ("tei", {"options": {"api-key": "x"}}, ("models.option_key", "options.api-key")),
        ("vllm", {"options": {"max-model-len": 1}}, ("models.option_set", "options.max-model-len")),
        ("vllm", {"options": {"trust-remote-code": True}}, ("models.option_unknown", "options.trust-remote-code")),
        ("llama_cpp", {"options": {"tools": "all"}}, ("models.option_unknown", "options.tools")),
        ("lab", {"options": {"x": 1}}, ("models.option_unknown", "options.x")),
        ("tei", {"options": {"json-output": False}}, ("models.option_false", "options.json-output")),
        ("llama_cpp", {"options": {"kv-unified": False}}, ("models.option_false", "options.kv-unified")),
        # llama.cpp's cache and attention
        ("llama_cpp", {"options": {"cache-ram": -1}}, ("models.cache_ram", "options.cache-ram")),
        ("llama_cpp", {"options": {"cache-ram": 8192}}, ("models.memory", "memory_gib")),
        ("llama_cpp", {"options": {"flash-attn": "maybe"}}, ("models.flash_attn", "options.flash-attn")),
        ("llama_cpp", {"options": {"flash-attn": False}, "kv_cache_type": "q8_0"}, ("models.flash_attn", "options.flash-attn")),
        # memory
        ("vllm", {"gpus": 1, "gpu_memory_gib": 16}, ("models.memory", "gpu")),
        ("vllm", {"shape": None}, ("models.shape", "shape")),
        ("vllm", {"kv_cache_type": "q8_0"}, ("models.kv_cache_type", "kv_cache_type")),
        ("llama_cpp", {"memory_gib": 0.5}, ("models.memory", "memory_gib")),
        ("tei", {"memory_gib": 0.5}, ("models.memory", "memory_gib")),
        ("tei", {"gpus": 1, "gpu_memory_gib": 2}, ("models.memory", "gpu.memory_gib")),
        # weights
        ("tei", {"source": "", "location": "", "size_gib": 0}, ("models.weights", "weights")),
        ("tei", {"file": "m.safetensors"}, ("models.weights_file", "weights.file")),
        ("tei", {"source": "hub", "offline": True}, ("models.offline", "weights.offline")),
        ("llama_cpp", {"source": "hub", "location": "a/m.gguf"}, ("models.weights", "weights")),
        ("llama_cpp", {"location": "/weights"}, ("models.weights_file", "weights")),
        ("lab", {"source": "image", "location": "/m"}, ("models.ignored", "weights")),
        ("lab", {"role": "embedding", "source": "hub", "location": "a/b"}, ("models.weights", "weights")),
        ("lab", {"role": "embedding", "source": "image", "location": "/m"}, ("models.weights_file", "weights")),
    ],
)
def test_what_an_engine_cannot_do_is_refused_by_code_and_setting(engine: str, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(engine, **changes) == [expected]


def test_a_pod_that_holds_weights_and_caches_alone_is_too_small_for_llama_cpp_itself() -> None:
    caches_gib = 1 + QWEN_Q4.kv_cache_gib(4096, 4, bytes_per_value=2)
    assert codes("llama_cpp", memory_gib=QWEN_Q4.weights_gib() + caches_gib + 0.2) == [("models.memory", "memory_gib")]
    assert codes("llama_cpp", memory_gib=QWEN_Q4.weights_gib() + caches_gib + 0.3) == []


@pytest.mark.parametrize(
    ("engine", "changes", "words"),
    [
        ("vllm", {"version": None}, "shows no version of vllm"),
        ("vllm", {"version": (0, 34, 0)}, "newer than v0.33.0"),
        ("vllm", {"version": (0, 15, 0), "options": {"swap-space": 4}}, "v0.15.0 knows swap-space was not read"),
        ("llama_cpp", {"version": (9000, 0, 0), "options": {"load-mode": "mlock"}}, "b9000 knows load-mode was not read"),
    ],
)
def test_what_was_not_read_is_allowed_and_said_not_to_be_judged(engine: str, changes: dict[str, Any], words: str) -> None:
    assert codes(engine, **changes) == []
    notes = "; ".join(ENGINES[engine].notes(replace(GOOD[engine], **changes)))
    assert words in notes
    assert "not judged" in notes


def test_what_the_key_of_vllm_does_not_guard_and_what_tei_cuts_is_said() -> None:
    assert "/invocations" in "; ".join(ENGINES["vllm"].notes(replace(GOOD["vllm"], version=NEWEST["vllm"])))
    cutting, refusing = (replace(GOOD["tei"], version=NEWEST["tei"], options=options) for options in ({}, {"auto-truncate": False}))
    assert "cuts a text" in "; ".join(ENGINES["tei"].notes(cutting))
    assert list(ENGINES["tei"].notes(refusing)) == []


def test_metrics_of_a_version_whose_port_was_not_read_are_not_promised() -> None:
    for version, path in (((1, 9, 3), "/metrics"), ((1, 10, 0), "")):
        assert ENGINES["tei"].container(replace(GOOD["tei"], version=version)).metrics_path == path


def test_a_new_engine_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Engine):
        """Says the least that an engine must say."""

        name = "other"
        roles = frozenset({"embedding"})

        def arguments(self, model: Model) -> tuple[str, ...]:
            return ("serve", model.location)

    monkeypatch.setitem(ENGINES, "other", Other())
    assert "other" in serving("embedding")
    model = Model(role="embedding", name="m", source="image", location="/m")
    assert list(ENGINES["other"].problems(model)) == []
    assert ENGINES["other"].container(model).arguments == ("serve", "/m")


def test_the_cache_of_one_token_of_opt_13b_is_the_800_kb_of_the_paper() -> None:
    assert OPT_13B.kv_cache_gib(tokens=1, sequences=1, bytes_per_value=2) * 2**20 == 800


def test_grouped_heads_take_as_much_less_as_there_are_fewer() -> None:
    assert LLAMA_8B.kv_cache_gib(tokens=8192, sequences=1, bytes_per_value=2) == pytest.approx(1.0)
    assert LLAMA_8B.kv_cache_gib(tokens=8192, sequences=1, bytes_per_value=2, gpus=16) == pytest.approx(2.0), "heads are copied, not cut"


def test_what_fits_is_silent_and_what_does_not_says_how_many_sequences_would() -> None:
    load = Load(context_tokens=8192, sequences=16, bytes_per_value=2)
    assert shortage(LLAMA_8B, load, available_gib=31, what="x") == ""
    reason = shortage(LLAMA_8B, load, available_gib=24 * 0.9, what="1 GPU")
    assert "15.0 GiB of weights and 16.0 GiB of KV cache (16 sequences of 8192 tokens) are 31.0 GiB, there are 21.6 GiB" in reason
    assert "at most 6 sequences" in reason
    cache = {"cached prompts": 8.0}
    assert "8.0 GiB of cached prompts" in shortage(LLAMA_8B, load, available_gib=31, what="x", needs=cache)
    assert "not even one sequence" in shortage(LLAMA_8B, load, available_gib=15, what="x")
