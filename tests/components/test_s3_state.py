"""What the state of a stack says of the providers: an import path, the same from every checkout."""

import base64
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import components

PROGRAM = """
from pulumi.dynamic.dynamic import serialize_provider
from components.s3.bucket import BucketProvider
from components.s3.credential import CredentialProvider
from components.existing.credential import ExistingCredentialProvider
from components.cosi.bucket import BucketClaimProvider, BucketClassProvider
from components.cosi.credential import AccessClassProvider, CosiCredentialProvider
from components.greenlake.bucket import GreenLakeBucketProvider
from components.greenlake.credential import GreenLakeCredentialProvider
greenlake = GreenLakeBucketProvider(), GreenLakeCredentialProvider()
cosi = BucketClassProvider(), BucketClaimProvider(), AccessClassProvider(), CosiCredentialProvider()
for provider in (BucketProvider(), CredentialProvider(), ExistingCredentialProvider(), *greenlake, *cosi):
    print(serialize_provider(provider))
"""


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    found = []
    for name in ("one", "another"):
        checkout = tmp_path_factory.mktemp(name)
        shutil.copytree(Path(components.__file__).parent, checkout / "components")
        run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=checkout, capture_output=True, text=True, check=True)
        found.append(run.stdout)
    return found


def test_two_checkouts_write_the_same_provider_into_the_state(pickles: list[str]) -> None:
    assert pickles[0] == pickles[1]


def test_the_state_holds_an_import_path_and_no_path_of_the_machine(pickles: list[str]) -> None:
    for pickle in pickles[0].split():
        text = base64.b64decode(pickle)
        assert b"components." in text
        assert b"/" not in text
        assert len(text) < 200
