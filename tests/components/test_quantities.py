"""Amounts are written as the API server would write them, or every refresh shows a change that is none."""

import pytest

from components.pods import Resources, cores, gib


@pytest.mark.parametrize(("value", "text"), [(0.1, "100m"), (0.25, "250m"), (1, "1"), (2.0, "2"), (1.5, "1500m")])
def test_cores_are_whole_or_milli(value: float, text: str) -> None:
    assert cores(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "512Mi"), (1, "1Gi"), (4.0, "4Gi"), (1.5, "1536Mi")])
def test_memory_is_whole_gib_or_mib(value: float, text: str) -> None:
    assert gib(value) == text


def test_memory_is_limited_to_what_is_requested_and_cpu_is_not_limited() -> None:
    assert Resources(cpu_cores=1, memory_gib=2).manifest() == {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
