"""A real S3 server with its IAM API over TLS, for the tests of the providers; only where `versitygw` is on PATH."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.stores.s3 import S3Server
from tests import certificates, s3_server
from tests.s3_server import ADMIN_KEY, PROFILE, credentials


@pytest.fixture(scope="session")
def store_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps everything."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def store(store_home: Path) -> Iterator[S3Server]:
    """Run the server, with the profile `test-admin` for its administrator in a credentials file of its own."""
    s3_server.require()
    root = store_home
    credentials(root / "credentials", PROFILE, ADMIN_KEY)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(root / "credentials"))
        server = s3_server.start(stack, root, certificates.make(root))
        yield S3Server(
            endpoint=server.endpoint,
            iam_endpoint=server.iam_endpoint,
            region="us-east-1",
            ca_pem=server.ca_pem,
            admin_profile=PROFILE,
        )
