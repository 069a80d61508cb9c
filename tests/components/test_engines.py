"""Engines, options and memory: pure functions, checked against numbers and lists from their documentation."""

from pathlib import Path

import pytest

from components.engines import lab, llama_cpp, options, tei, vllm
from components.engines.engine import Engine, Model, flags
from components.memory import Load, Shape, problem

MODEL = Model(name="m", location="/weights", context_tokens=4096, sequences=4, gpus=2, cpu_cores=3.7)
OPT_13B = Shape(parameters_billion=13, bytes_per_parameter=2, layers=40, kv_heads=40, head_dimension=128)
LLAMA_8B = Shape(parameters_billion=8.03, bytes_per_parameter=2, layers=32, kv_heads=8, head_dimension=128)
ENGINES: dict[str, Engine] = {
    "lab embedding": lab.embedding(MODEL),
    "lab llm": lab.llm(MODEL),
    "lab reranker": lab.reranker(MODEL),
    "tei embedding": tei.embedding(MODEL),
    "tei reranker": tei.reranker(MODEL),
    "vllm embedding": vllm.embedding(MODEL),
    "vllm llm": vllm.llm(MODEL),
    "llama_cpp llm": llama_cpp.llm(MODEL),
}


def value(arguments: tuple[str, ...], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_has_a_probe_a_key_from_the_environment_and_no_key_in_its_arguments(name: str) -> None:
    engine = ENGINES[name]
    assert engine.health_path == "/health"
    assert engine.key_variable in {"API_KEY", "VLLM_API_KEY", "LLAMA_API_KEY"}
    assert not [argument for argument in engine.arguments if "key" in argument]
    assert engine.key_variable not in engine.environment


@pytest.mark.parametrize("name", [name for name in ENGINES if not name.startswith(("lab", "llama"))])
def test_an_engine_with_a_hub_client_is_offline_and_silent_unless_told_to_download(name: str) -> None:
    environment = ENGINES[name].environment
    assert environment["HF_HUB_OFFLINE"] == environment["TRANSFORMERS_OFFLINE"] == "1"
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == environment["DO_NOT_TRACK"] == "1"
    downloading = tei.embedding(Model(name="m", location="BAAI/bge-m3", revision="0" * 40, offline=False))
    assert "HF_HUB_OFFLINE" not in downloading.environment
    assert value(downloading.arguments, "--revision") == "0" * 40


def test_llama_cpp_gets_one_context_a_slot_and_whole_threads() -> None:
    arguments = ENGINES["llama_cpp llm"].arguments
    assert (value(arguments, "--ctx-size"), value(arguments, "--parallel"), value(arguments, "--threads")) == ("16384", "4", "3")


def test_vllm_splits_the_model_over_all_gpus_of_the_pod() -> None:
    arguments = ENGINES["vllm llm"].arguments
    assert (value(arguments, "--tensor-parallel-size"), value(arguments, "--max-model-len")) == ("2", "4096")
    assert value(ENGINES["vllm embedding"].arguments, "--runner") == "pooling"


def test_tei_takes_at_least_as_many_texts_a_request_as_the_gate_sends() -> None:
    assert int(value(ENGINES["tei embedding"].arguments, "--max-client-batch-size")) >= 64
    wider = Model(name="m", location="/weights", options={"max-client-batch-size": 512})
    assert tei.embedding(wider).arguments.count("--max-client-batch-size") == 1
    assert value(tei.embedding(wider).arguments, "--max-client-batch-size") == "512"


def test_true_is_a_bare_flag_and_false_none() -> None:
    assert flags({"b": True, "a": 1.5, "c": False, "d": "x"}) == ("--a", "1.5", "--b", "--d", "x")


def test_no_option_that_the_stack_sets_itself_may_be_given_besides() -> None:
    for name, engine in ENGINES.items():
        ours = {argument.removeprefix("--") for argument in engine.arguments if argument.startswith("--")}
        known = options.KNOWN.get(name.split()[0], frozenset())
        assert ours & known <= {"max-client-batch-size"}, name


def test_every_flag_and_variable_of_an_engine_is_in_the_table_of_the_documentation() -> None:
    table = Path("docs/models.md").read_text(encoding="utf-8")
    said = {*(flag for engine in ENGINES.values() for flag in engine.arguments if flag.startswith("--"))}
    said |= {name for engine in ENGINES.values() for name in (*engine.environment, engine.key_variable, engine.queue_metric) if name}
    assert [word for word in sorted(said - {"HOME"}) if f"`{word}`" not in table and f"`{word} " not in table] == []


def test_every_reason_for_a_refused_option_is_its_own() -> None:
    found = options.problems("vllm", ["api-key", "max-model-len", "dtyp", "served-model-name", "dtype"])
    assert [text.split("'")[1] for text in found] == ["api-key", "dtyp", "max-model-len", "served-model-name"]


def test_the_cache_of_one_token_of_opt_13b_is_the_800_kb_of_the_paper() -> None:
    assert OPT_13B.kv_cache_gib(tokens=1, sequences=1, bytes_per_value=2) * 2**20 == 800


def test_grouped_heads_take_as_much_less_as_there_are_fewer() -> None:
    assert LLAMA_8B.kv_cache_gib(tokens=8192, sequences=1, bytes_per_value=2) == pytest.approx(1.0)
    assert LLAMA_8B.kv_cache_gib(tokens=8192, sequences=1, bytes_per_value=2, gpus=16) == pytest.approx(2.0), "heads are copied, not cut"


def test_what_fits_is_silent_and_what_does_not_says_how_many_sequences_would() -> None:
    load = Load(context_tokens=8192, sequences=16, bytes_per_value=2)
    assert problem(LLAMA_8B, load, available_gib=31, what="x") == ""
    told = problem(LLAMA_8B, load, available_gib=24 * 0.9, what="1 GPU")
    assert "15.0 GiB of weights and 16.0 GiB of KV cache (16 sequences of 8192 tokens) are 31.0 GiB, there are 21.6 GiB" in told
    assert "at most 6 sequences" in told
    assert "not even one sequence" in problem(LLAMA_8B, load, available_gib=15, what="x")
