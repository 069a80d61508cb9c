"""A CA for settings that name one."""

from pathlib import Path

import pytest

from tests.components.conftest import certificate


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ca")
    certificate(directory)
    return directory / "tls.crt"
