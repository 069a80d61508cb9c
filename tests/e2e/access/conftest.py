"""One Milvus with authentication for all the tests beside this file; it is gone when the last of them has run."""

from collections.abc import Iterator

import pytest

from components.milvus_access.server import PublicProvider
from tests.e2e.access.own_milvus import OwnMilvus, own_milvus
from tests.e2e.lab import Lab


@pytest.fixture(scope="package")
def milvus(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMilvus]:
    with own_milvus(lab, "tenancy-e2e", tmp_path_factory.mktemp("milvus")) as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", lab.environment()["KUBECONFIG"])
        PublicProvider().create({**found.server(), "privileges": []})
        yield found
