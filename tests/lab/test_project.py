"""The configuration that `make up` writes again and again."""

import pytest

from lab.project import _generations

GROUP = "milvus-x10000:object_store"


@pytest.mark.parametrize("before", [{}, {"config": {}}, {"config": {GROUP: {"endpoint": "https://10.0.0.1"}}}])
def test_without_a_rotation_nothing_is_kept(before: dict[str, object]) -> None:
    assert _generations(before) == {GROUP: {}}


def test_a_rotation_outlives_the_next_make_up() -> None:
    rotated = {"credential_generation": 3, "revoked_generation": 2}
    assert _generations({"config": {GROUP: {**rotated, "endpoint": "https://10.0.0.1"}}}) == {GROUP: rotated}
