"""What the state of a stack says of the providers: an import path, the same from every checkout, and a former one still leads there."""

import base64
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dill  # type: ignore[import-untyped]  # dill ships no types
import pytest

import components
from components.dynamic_provider import OwnedProvider, Provider, ProviderError
from components.milvus_access.root import LoginProvider

PROGRAM = """
from pulumi.dynamic.dynamic import serialize_provider
from components.stores.s3 import S3BucketProvider
from components.stores.s3 import S3CredentialProvider
from components.stores.existing import ExistingCredentialProvider
from components.stores.cosi.bucket import AccessClassProvider, BucketClaimProvider, BucketClassProvider
from components.stores.cosi.credential import CosiCredentialProvider
from components.stores.greenlake.bucket import GreenLakeBucketProvider
from components.stores.greenlake.credential import GreenLakeCredentialProvider
greenlake = GreenLakeBucketProvider("p:o"), GreenLakeCredentialProvider("p:o")
cosi = BucketClassProvider("p:o"), BucketClaimProvider("p:o"), AccessClassProvider("p:o"), CosiCredentialProvider("p:o")
for provider in (S3BucketProvider("p:o"), S3CredentialProvider("p:o"), ExistingCredentialProvider("p:o"), *greenlake, *cosi):
    print(serialize_provider(provider))
"""
FORMER = [
    "components.s3.bucket.BucketProvider",
    "components.s3.credential.CredentialProvider",
    "components.greenlake.bucket.GreenLakeBucketProvider",
    "components.greenlake.credential.GreenLakeCredentialProvider",
    "components.cosi.bucket.BucketClassProvider",
    "components.cosi.bucket.BucketClaimProvider",
    "components.cosi.credential.AccessClassProvider",
    "components.cosi.credential.CosiCredentialProvider",
    "components.existing.credential.ExistingCredentialProvider",
    "components.api_key.GeneratedProvider",
    "components.milvus_access.database.DatabaseProvider",
    "components.milvus_access.login.LoginProvider",
    "components.milvus_access.password.PasswordProvider",
    "components.milvus_access.public.PublicProvider",
    "components.milvus_access.user.UserProvider",
    "components.milvus_foundation.FoundationProvider",
    "components.preflight_run.PreflightRunProvider",
    "components.stores.existing.credential.ExistingCredentialProvider",
    "components.stores.s3.bucket.S3BucketProvider",
    "components.stores.s3.credential.S3CredentialProvider",
]
"""Providers as stacks have them that were made before the stores moved into one folder."""


def pickled(path: str) -> str:
    """Return a provider as the state holds it: a class by its import path, without fields."""
    module, _, name = path.rpartition(".")
    return base64.b64encode(f"\x80\x02c{module}\n{name}\n)\x81.".encode("latin-1")).decode()


def loaded(path: str) -> Provider:
    provider = dill.loads(base64.b64decode(pickled(path)))  # noqa: S301  written by this test
    assert isinstance(provider, Provider)
    return provider


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    outputs = []
    for name in ("one", "another"):
        checkout = tmp_path_factory.mktemp(name)
        shutil.copytree(Path(components.__file__).parent, checkout / "components")
        run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=checkout, capture_output=True, text=True, check=True)
        outputs.append(run.stdout)
    return outputs


def test_two_checkouts_write_the_same_provider_into_the_state(pickles: list[str]) -> None:
    assert pickles[0] == pickles[1]


def test_the_state_holds_an_import_path_the_name_of_a_group_of_settings_and_no_path_of_the_machine(pickles: list[str]) -> None:
    for pickle in pickles[0].split():
        text = base64.b64decode(pickle)
        assert b"components." in text
        assert b"p:o" in text
        assert b"/" not in text
        assert len(text) < 250


def test_every_provider_of_an_older_stack_is_found_in_a_process_that_has_loaded_nothing_of_ours() -> None:
    program = "import base64, dill, sys\nfor text in sys.argv[1:]: print(type(dill.loads(base64.b64decode(text))).__name__)"
    run = subprocess.run([sys.executable, "-c", program, *map(pickled, FORMER)], capture_output=True, text=True, check=True)
    assert len(run.stdout.split()) == len(FORMER)


@pytest.mark.parametrize("path", FORMER)
def test_a_provider_that_moved_is_an_update_and_never_another_resource(path: str) -> None:
    provider = loaded(path)
    there = {
        "bucket": "b",
        "user": "u",
        "owner": "o",
        "number": 1,
        "metadata": {},
        "namespace_uid": "n",
        "database": "d",
        "access_key": "k",
    }
    there |= {"password": "p", "value": "v"}
    compared = provider.diff("x", {**there, "__provider": "as an older one pickled it"}, {**there, "__provider": "as it is pickled today"})
    assert (compared.changes, compared.replaces or []) == (True, [])


def test_an_error_names_the_setting_that_its_provider_was_declared_from() -> None:
    with pytest.raises(ProviderError, match=r"set project:group\.endpoint to") as named, LoginProvider("project:group").naming():
        raise ProviderError("set <setting> to it", code="a.code", setting="endpoint")
    assert named.value.code == "a.code"
    assert str(ProviderError("set <setting> to it", code="a.code", setting="endpoint")) == "set endpoint to it"


def test_every_owned_provider_says_what_it_makes_and_what_makes_it_another_thing() -> None:
    def below(kind: type[OwnedProvider[Any]]) -> list[type[OwnedProvider[Any]]]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    for path in FORMER:
        loaded(path)
    concrete = [kind for kind in below(OwnedProvider) if not below(kind)[1:]]  # type: ignore[type-abstract]  # no instance is made of it
    assert len(concrete) == 12
    assert all(kind.kind and (kind.identity or kind.diff is not OwnedProvider.diff) for kind in concrete)
