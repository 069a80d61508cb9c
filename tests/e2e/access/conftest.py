"""One Milvus with authentication for all the tests beside this file that one process runs; it is gone when the last of them has run."""

import secrets
from collections.abc import Iterator

import pytest

from components.milvus_access.server import PublicProvider
from tests.e2e.access.own_milvus import OwnMilvus, own_milvus
from tests.e2e.lab import Lab


@pytest.fixture(scope="package")
def milvus(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMilvus]:
    with (
        own_milvus(lab, f"tenancy-{secrets.token_hex(3)}", tmp_path_factory.mktemp("milvus")) as found,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("KUBECONFIG", lab.environment()["KUBECONFIG"])
        PublicProvider().create({**found.server(), "privileges": []})
        yield found
