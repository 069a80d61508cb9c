"""Index profiles: what Milvus is told, and how much of a node a vector takes."""

import pytest

from components.milvus_index import Index, Name, bytes_per_vector

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


def test_a_query_node_of_32_gib_holds_five_million_vectors_as_the_page_of_prod_says() -> None:
    memory, disk = bytes_per_vector(Index(profile="hnsw", metric="COSINE"), 1024)
    assert (memory, disk) == (4480, 0)
    assert 0.75 * 32 * GIB / memory > 5_000_000


def test_compressed_profiles_take_less_memory_than_exact_ones() -> None:
    names: tuple[Name, ...] = ("hnsw", "hnsw_sq8", "ivf_rabitq", "diskann")
    memory = [bytes_per_vector(Index(profile=name, metric="COSINE"), 1024)[0] for name in names]
    assert memory == sorted(memory, reverse=True)
