"""One filled target for all tests of `ask`; each test leaves it well-behaved."""

from collections.abc import Iterator

import pytest

from tests.validation.ask.stage import Stage, built
from tests.validation.services import KubernetesApi


@pytest.fixture(scope="session")
def built_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with built(tmp_path_factory.mktemp("ask")) as stage:
        yield stage


@pytest.fixture
def stage(built_stage: Stage, kubernetes_api: KubernetesApi) -> Iterator[Stage]:
    kubernetes_api.add_secret("documents-s3", access_key="AKIDEXAMPLE", secret_key="very-secret")
    kept = dict(built_stage.bucket.versions)
    yield built_stage
    built_stage.lite.heal()
    built_stage.bucket.versions = kept
    models = built_stage.models
    models.embeddings = models.chat = models.everything = None
    models.requests.clear()
