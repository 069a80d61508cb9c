"""Which index the gate builds: that of the SLO file, else the one that the stack is sized for."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from validation.clients import target
from validation.judge.errors import UsageError
from validation.judge.profile import Index
from validation.judge.slo_file import read_profile
from validation.suites import runner

LAB, PROD = Path("validation/slo.lab.yaml"), Path("validation/slo.prod.yaml")
AIM = {
    "namespace": "rag",
    "milvus_uri": "http://milvus:19530",
    "documents_bucket": "rag-documents",
    "documents_secret_name": "documents-store",
    "object_store_endpoint": "https://store",
    "object_store_region": "us-east-1",
    "embedding_url": "http://embedding",
    "embedding_model": "m",
    "embedding_dimension": 256,
    "llm_url": "http://llm",
    "llm_model": "m",
}
DISK = {"profile": "diskann", "index_type": "DISKANN", "metric_type": "IP", "params": {}, "search_params": {"search_list": 100}}


def aim(**more: object) -> target.Target:
    return target.Target.model_validate({**AIM, **more})


def test_a_file_that_names_an_index_keeps_it() -> None:
    profile = read_profile(LAB)
    assert runner._with_index(profile, aim(milvus_index=DISK)) == profile


def test_a_file_that_names_none_gets_the_one_of_the_stack() -> None:
    built = runner._with_index(read_profile(PROD), aim(milvus_index=DISK)).search.chosen_index
    assert built == Index(type="DISKANN", metric="IP", params={}, search_params={"search_list": 100})


def test_no_index_anywhere_is_refused_with_both_places() -> None:
    with pytest.raises(UsageError, match=r"search\.index.*milvus_index"):
        runner._with_index(read_profile(PROD), aim())


def test_a_list_of_candidates_is_never_shorter_than_the_answer() -> None:
    index = Index(type="HNSW", metric="COSINE", search_params={"ef": 64, "refine_k": 2})
    assert (index.searching(100), index.searching(10)) == ({"ef": 100, "refine_k": 2}, {"ef": 64, "refine_k": 2})


def test_a_misspelt_metric_of_a_stack_is_refused() -> None:
    with pytest.raises(ValidationError, match="metric_type"):
        aim(milvus_index={**DISK, "metric_type": "COSIN"})
