"""The self-test from beginning to end: defects are planted before a whole small target on loopback, and seen for the right reason."""

import json
from pathlib import Path

import pytest

from tests.validation.stand import Stand
from tests.validation.suites.test_stands import client as _client
from tests.validation.suites.test_stands import endpoints as _endpoints
from tests.validation.suites.test_stands import served as _served
from tests.validation.suites.test_stands import stand as _stand
from validation.experiments import selftest

client, endpoints, served, stand = _client, _endpoints, _served, _stand

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.proof]  # it needs no lab, but two minutes, and loads are timed


def test_defects_of_data_and_of_the_gates_own_machine_are_seen(stand: Stand, tmp_path: Path) -> None:
    chosen = ["cache", "stale-index", "poor-index", "other-baseline", "client-starved"]
    out = tmp_path / "selftest.json"
    code = selftest.act(selftest.Options(stack=str(stand.target), slo=stand.slo, corpus=stand.corpus, only=chosen, out=out))
    planted = {each["name"]: each for each in json.loads(out.read_text())["planted"]}
    assert {name: each["verdict"] for name, each in planted.items()} == dict.fromkeys(chosen, "seen"), planted
    assert code == 0
