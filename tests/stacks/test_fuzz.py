"""Three hundred seeded mutations of Pulumi.prod.yaml: each is refused with code and key, or it has an effect; none is lost in silence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.problems import SettingsError
from tests.stacks import fuzz
from tests.stacks.fuzz import PROD, Mutation

WITHOUT_OBJECTS = {
    "images_pinned": "decides whether `pulumi up` reads the lock",
    "registry": "`./rag pin` asks the mirrors; their names are in the lock",
    "promotion": "decides whether `pulumi up` may run these digests, and makes an output",
    "residency": "refuses addresses, and makes nothing",
    "cluster.context": "refuses another cluster, and makes nothing",
    "object_store.confirm_delete": "is the second word of on_destroy",
    "llm.shape": "refuses a model that does not fit, and makes nothing",
    "llm.gpu.memory_gib": "as llm.shape",
    "embedding.gpu.memory": "as llm.shape",
    "reranker.gpu.memory": "as llm.shape",
}
"""Settings that are used, but not in an object: by what."""


@pytest.fixture(scope="module")
def config() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(PROD.read_text(encoding="utf-8"))["config"]
    return found


def has_no_object(mutation: Mutation) -> bool:
    return any(".".join(mutation.path).startswith(path) for path in WITHOUT_OBJECTS)


def lost(mutation: Mutation, before: tuple[Any, str], after: tuple[Any, str]) -> bool:
    """Whether settings differ, and nothing that is declared or exported does."""
    return not has_no_object(mutation) and before[0] != after[0] and before[1] == after[1]


def is_text_lost(mutation: Mutation, before: Any, after: Any, objects: str) -> bool:
    """Whether a text became a setting, and stands in no object as it was written."""
    if not isinstance(mutation.value, str) or before == after or has_no_object(mutation):
        return False
    return mutation.value.strip("/") not in objects


def test_a_mutation_is_refused_with_code_and_key_or_has_an_effect(
    config: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = fuzz.load(config, tmp_path, monkeypatch)
    before = (base.settings.model_dump(), fuzz.declared(base)[1])
    refused, accepted, wrong = 0, 0, []
    for mutation in fuzz.mutations():
        try:
            environment = fuzz.load(fuzz.mutated(config, mutation), tmp_path, monkeypatch)
            text = fuzz.declared(environment)[1]
        except SettingsError as error:
            refused += 1
            wrong += [f"{mutation.label}: {each}" for each in error.problems if not ("." in each.code and each.key)]
            continue
        accepted += 1
        if lost(mutation, before, (environment.settings.model_dump(), text)):
            wrong.append(f"{mutation.label}: accepted, and no object differs")
        if is_text_lost(mutation, before[0], environment.settings.model_dump(), text):
            wrong.append(f"{mutation.label}: accepted, and nowhere in the objects")
    assert wrong == []
    assert refused + accepted == fuzz.COUNT
    assert accepted >= fuzz.COUNT // 20
