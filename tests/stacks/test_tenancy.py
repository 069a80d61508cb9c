"""The frame as the settings ask for it: what is refused before anything is created, and what is only warned about."""

from typing import Any

import pytest

from components import flows
from stacks.problems import SettingsError
from stacks.settings import Settings, parse
from stacks.wiring import tenancy
from tests.stacks.test_settings import GOOD, configuration

NAMED = {**GOOD, "object_store": {**GOOD["object_store"], "endpoint": "https://x10000.example.net"}}


def settings(**groups: Any) -> Settings:
    """Settings with a store that is known by its name."""
    return parse(configuration({**NAMED, **groups}))


def test_a_quota_that_is_too_small_names_every_consumer() -> None:
    small = settings(quota={"cpu_cores": 2, "memory_gib": 8})
    with pytest.raises(SettingsError, match=r"quota is too small .*cpu_cores: .*memory_gib: ") as caught:
        tenancy.refuse_too_much(small)
    assert all(f"  {name}: " in str(caught.value) for name in ("milvus", "embedding", "llm"))


def test_a_quota_that_is_large_enough_is_fine() -> None:
    tenancy.refuse_too_much(settings(quota={"cpu_cores": 200, "memory_gib": 800, "pods": 100}))


def test_a_store_that_is_known_by_name_is_a_warning_with_the_setting_that_closes_it() -> None:
    (told,) = tenancy.warnings(flows.table(tenancy.layout(settings())))
    assert "x10000.example.net" in told
    assert "milvus-to-store" in told
    assert "network.addresses" in told


def test_with_its_addresses_there_is_no_warning() -> None:
    closed = settings(network={"addresses": {"x10000.example.net": ["10.1.2.0/28"]}})
    assert not tenancy.warnings(flows.table(tenancy.layout(closed)))


def test_addresses_of_a_host_that_nothing_uses_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"'x1000\.example\.net', and nothing uses it; used are: x10000\.example\.net"):
        tenancy.refuse_unused_addresses(settings(network={"addresses": {"x1000.example.net": ["10.1.2.0/28"]}}))


@pytest.mark.parametrize(
    "cidr", ["10.1.2.3/24", "0.0.0.0/0", "::/0", "x10000.example.net", "10.1.2.0/33", "::ffff:10.1.2.0/120", "fe80::1%eth0/128"]
)
def test_what_is_no_range_of_addresses_or_all_of_them_is_refused(cidr: str) -> None:
    with pytest.raises(SettingsError, match=r"network\.addresses"):
        settings(network={"addresses": {"x10000.example.net": [cidr]}})


def refuse_open(**groups: Any) -> None:
    chosen = settings(**groups).model_copy(update={"images_pinned": "required"})
    tenancy.refuse_open(chosen, flows.table(tenancy.layout(chosen)))


def test_where_images_are_pinned_a_flow_to_every_address_is_refused_with_both_ways_out() -> None:
    with pytest.raises(
        SettingsError, match=r"milvus-to-store.*IPv4 and IPv6.*network\.addresses.*network\.any_address\[0\]' x10000"
    ) as caught:
        refuse_open()
    assert caught.value.code == "network.open"


@pytest.mark.parametrize(
    "network", [{"addresses": {"x10000.example.net": ["10.1.2.0/28", "fd00:1::/64"]}}, {"any_address": ["x10000.example.net"]}]
)
def test_with_addresses_or_asked_for_by_name_it_is_not(network: dict[str, Any]) -> None:
    refuse_open(network=network)


def test_a_host_that_no_open_flow_has_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"network\.any_address names other\.example\.net") as caught:
        refuse_open(network={"any_address": ["other.example.net"]})
    assert caught.value.code == "settings.unused"


def test_backups_are_let_out_to_their_store_and_to_nothing_else_and_residency_sees_it() -> None:
    backup = {"endpoint": "https://backup.example.net:9000", "bucket": "copies", "secret": "backup-key"}
    chosen = {"backup": backup, "images": {**GOOD["images"], "suite": "registry.example.net/suite:1"}}
    settings = parse(configuration({**GOOD, **chosen, "network": {"addresses": {"backup.example.net": ["10.3.0.4/32"]}}}))
    (flow,) = [each for each in flows.table(tenancy.layout(settings)) if each.name == "suite-to-backups"]
    assert (flow.source, flow.ports) == (flows.SUITE, (("TCP", 9000),))
    assert flow.target == flows.Outside(host="backup.example.net", cidrs=("10.3.0.4/32",))
    locked = {"residency": {"mode": "locked", "allowed": ["10.0.0.0/8"]}}
    with pytest.raises(SettingsError, match=r"backups \(backups of Milvus are kept there\): backup\.example\.net"):
        tenancy.refuse_outside(parse(configuration({**GOOD, **chosen, **locked})))
