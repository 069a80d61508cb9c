"""Residency: locked means that nothing outside is even named."""

import re
from dataclasses import replace
from typing import Any

import pytest

from policies import residency as rules
from policies.subject import Context
from stacks import rendering
from stacks.blueprint import build
from stacks.environments import load
from stacks.problems import SettingsError
from stacks.settings import parse
from stacks.wiring import tenancy
from tests.stacks.test_settings import GOOD, configuration

HOUSE = ["10.0.0.5/32", "lab.local"]


def locked(allowed: list[str], **groups: Any) -> Any:
    chart = {"milvus": {"chart": "lab/chart/milvus", "wal": "rocksmq", "etcd": "embedded"}}
    return parse(configuration({**GOOD, **chart, "residency": {"mode": "locked", "allowed": allowed}, **groups}))


def test_a_locked_house_with_everything_on_the_list_is_fine() -> None:
    tenancy.refuse_outside(locked([*HOUSE, "docker.io"]))


def test_every_address_that_is_not_on_the_list_is_told_at_once_and_nothing_is_declared() -> None:
    external = {"engine": "external", "model": "m", "external": {"url": "https://models.example.org/v1", "secret_name": "key"}}
    images = {key: value for key, value in GOOD["images"].items() if key != "llm"}
    with pytest.raises(SettingsError, match=r"residency is locked") as caught:
        build(locked(["lab.local"], llm=external, images=images))
    for host in ("10.0.0.5", "models.example.org"):
        assert re.search(rf": {host}$", str(caught.value), re.MULTILINE)


def test_a_hub_is_refused_and_the_registry_that_is_meant_by_none() -> None:
    hub = {"source": "hub", "repository": "BAAI/bge-m3", "revision": "0" * 40, "size_gib": 2}
    embedding = {"engine": "tei", "model": "bge-m3", "dimension": 1024, "memory_gib": 8, "weights": hub, "cache": {"size_gib": 10}}
    with pytest.raises(SettingsError, match=r"huggingface\.co"):
        tenancy.refuse_outside(locked(HOUSE, embedding=embedding))
    with pytest.raises(SettingsError, match=r"images\.llm: docker\.io"):
        tenancy.refuse_outside(locked(HOUSE, images={**GOOD["images"], "llm": "llm:1.0"}))


def test_the_addresses_of_greenlake_are_refused_unless_they_are_on_the_list() -> None:
    store = {
        "driver": "greenlake",
        "endpoint": "https://10.0.0.5:9000",
        "api_endpoint": "https://us-west.api.greenlake.hpe.com",
        "system_id": "8UW0002928",
    }
    with pytest.raises(SettingsError) as refused:
        tenancy.refuse_outside(locked([*HOUSE, "docker.io"], object_store=store))
    assert "object_store.api_endpoint: us-west.api.greenlake.hpe.com" in str(refused.value)
    assert "object_store.token_url: sso.common.cloud.hpe.com" in str(refused.value)
    tenancy.refuse_outside(locked([*HOUSE, "docker.io", "us-west.api.greenlake.hpe.com", "sso.common.cloud.hpe.com"], object_store=store))


def test_an_open_house_is_asked_nothing() -> None:
    tenancy.refuse_outside(parse(configuration(GOOD)))


@pytest.mark.parametrize("place", ["0.0.0.0/0", "::/0", "https://x.example.net", "*", "x.example.net:443", "10.0.0.5/8"])
def test_what_is_no_place_or_every_place_is_refused(place: str) -> None:
    with pytest.raises(SettingsError, match=r"residency\.allowed"):
        locked([place])


def test_the_labs_own_manifests_name_nothing_but_its_store_and_its_images() -> None:
    environment = load("lab", own_files_only=True)
    rendered = [item.subject for item in rendering.render(replace(environment)).objects]
    assert {
        each.text.split()[1].rstrip(",") for each in rules.violations(rendered, Context(production=False, throwaway=True, allowed_hosts=()))
    } == {"10.88.255.2", "lab.local"}
    assert not list(rules.violations(rendered, Context(production=False, throwaway=True, allowed_hosts=("10.88.255.2/32", "lab.local"))))
