"""A CA for settings that name one."""

from pathlib import Path

import pytest

from tests import certificates


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("ca")).crt_file
