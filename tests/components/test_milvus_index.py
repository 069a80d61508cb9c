"""Index profiles: what Milvus is told, and how much of a node a vector takes."""

import pytest

from components.milvus_index import Name, manifest

GIB = 2**30
LINKS_A_NODE = 48
"""M of the graph."""


def bytes_per_vector(profile: Name, dimension: int) -> tuple[float, float]:
    """Memory and node's disk of one vector, without the raw scalar fields: vectors and links, estimated from the formats."""
    links = 2 * LINKS_A_NODE * 4
    exact, one_byte = 4.0 * dimension, float(dimension)
    by_profile = {
        "hnsw": (exact + links, 0.0),
        "hnsw_sq8": (one_byte + 2 * dimension + links, 0.0),
        "ivf_rabitq": (dimension / 8 + one_byte, 0.0),
        "diskann": (exact / 8, exact + 56 * 4),
        "gpu_cagra": (0.0, 0.0),
    }
    return by_profile[profile]


@pytest.mark.parametrize(
    ("profile", "kind", "search"),
    [
        ("hnsw", "HNSW", {"ef": 256}),
        ("hnsw_sq8", "HNSW_SQ", {"ef": 256, "refine_k": 2}),
        ("diskann", "DISKANN", {"search_list": 100}),
    ],
)
def test_a_profile_is_said_in_the_words_of_milvus(profile: Name, kind: str, search: dict[str, int]) -> None:
    found = manifest(profile, "COSINE")
    assert (found["index_type"], found["metric_type"], found["search_params"]) == (kind, "COSINE", search)


def test_a_query_node_of_32_gib_holds_five_million_vectors_as_the_page_of_prod_says() -> None:
    memory, disk = bytes_per_vector("hnsw", 1024)
    assert (memory, disk) == (4480, 0)
    assert 0.75 * 32 * GIB / memory > 5_000_000


def test_compressed_profiles_take_less_memory_than_exact_ones() -> None:
    names: tuple[Name, ...] = ("hnsw", "hnsw_sq8", "ivf_rabitq", "diskann")
    memory = [bytes_per_vector(name, 1024)[0] for name in names]
    assert memory == sorted(memory, reverse=True)
