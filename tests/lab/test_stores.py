"""How the lab's stack comes by its buckets: every driver's settings are good, and a change of driver on live data is refused."""

import json

import pytest

from lab import daemons, stores
from lab.errors import LabError
from lab.places import STORES, network
from stacks.settings import parse
from tests.emulators.greenlake import contract
from tests.stacks.test_settings import GOOD


@pytest.mark.parametrize("store", STORES)
def test_the_settings_of_each_driver_are_good(store: str) -> None:
    facts = {key: value for key, value in stores.facts(store, network()).items() if not key.endswith("ca_file")}
    configured = {"milvus-x10000:images": json.dumps(GOOD["images"]), "milvus-x10000:object_store": json.dumps(facts)}
    assert parse(configured).object_store.driver == store


def test_what_the_stack_has_is_kept_and_another_driver_on_its_data_is_refused() -> None:
    has = {"milvus-x10000:object_store": {"driver": "greenlake"}}
    assert stores.chosen(None, {}, empty=True) == "s3"
    assert stores.chosen(None, has, empty=False) == "greenlake"
    assert stores.chosen("existing", has, empty=True) == "existing"
    with pytest.raises(LabError, match="came by its buckets with greenlake, now s3 is asked for"):
        stores.chosen("s3", has, empty=False)


def test_the_emulator_gets_no_secret_as_an_argument_and_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "administrator", lambda: ("ACCESS", "SECRET"))
    (emulator,) = (part for part in daemons.all_parts(network()) if part.name == daemons.GREENLAKE)
    command = " ".join(emulator.command)
    assert "tests.emulators.greenlake" in command
    assert "--client " in command
    assert "secret" not in command


def test_requests_and_answers_that_do_not_fit_the_published_structure_are_found() -> None:
    structure = contract.Contract()
    users = "/object-storage/v1alpha1/devtype7-storage-systems/{systemId}/users"
    assert not structure.request_problem("POST", users, {"name": "x"})
    assert "'name' is a required property" in structure.request_problem("POST", users, {})
    assert "unknown properties: nmae" in structure.request_problem("POST", users, {"name": "x", "nmae": "y"})
    assert "is not of type" in structure.request_problem("POST", users, {"name": 1})
    assert not structure.answer_problem("POST", users, 201, {"secretKey": "x"})
    assert "is not of type" in structure.answer_problem("POST", users, 201, {"secretKey": 1})
    assert "required property" in structure.answer_problem("POST", users, 403, {"message": "no"})
