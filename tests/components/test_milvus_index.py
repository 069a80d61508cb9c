"""Index profiles: what Milvus is told, what it cannot do, and how much of a node a vector takes."""

import pytest

from components.milvus_index import Index, Metric, Name, bytes_per_vector, problem

GIB = 2**30


@pytest.mark.parametrize(
    ("profile", "kind", "search"),
    [
        ("hnsw", "HNSW", {"ef": 256}),
        ("hnsw_sq8", "HNSW_SQ", {"ef": 256, "refine_k": 2}),
        ("diskann", "DISKANN", {"search_list": 100}),
    ],
)
def test_a_profile_is_said_in_the_words_of_milvus(profile: Name, kind: str, search: dict[str, int]) -> None:
    found = Index(profile=profile, metric="COSINE").manifest()
    assert (found["index_type"], found["metric_type"], found["search_params"]) == (kind, "COSINE", search)


@pytest.mark.parametrize(("metric", "refused"), [("COSINE", True), ("IP", False), ("L2", False)])
def test_a_gpu_graph_knows_no_cosine(metric: Metric, refused: bool) -> None:
    assert bool(problem(Index(profile="gpu_cagra", metric=metric), (2, 6, 15))) is refused


@pytest.mark.parametrize(
    ("index", "version", "key"),
    [
        (Index(profile="gpu_cagra", metric="COSINE"), (2, 6, 15), "milvus.index.metric"),
        (Index(profile="ivf_rabitq", metric="IP"), (2, 5, 16), "milvus.index.profile"),
    ],
)
def test_what_cannot_be_begins_with_its_key_and_ends_with_a_cure(index: Index, version: tuple[int, int, int], key: str) -> None:
    wrong, _, cure = problem(index, version).partition(" Cure: ")
    assert wrong.startswith(f"{key}=")
    assert cure.startswith(f"pulumi config set --path milvus-x10000:{key} ")


def test_a_query_node_of_32_gib_holds_five_million_vectors_as_the_page_of_prod_says() -> None:
    memory, disk = bytes_per_vector(Index(profile="hnsw", metric="COSINE"), 1024)
    assert (memory, disk) == (4480, 0)
    assert 0.75 * 32 * GIB / memory > 5_000_000


def test_compressed_profiles_take_less_memory_than_exact_ones() -> None:
    names: tuple[Name, ...] = ("hnsw", "hnsw_sq8", "ivf_rabitq", "diskann")
    memory = [bytes_per_vector(Index(profile=name, metric="COSINE"), 1024)[0] for name in names]
    assert memory == sorted(memory, reverse=True)
