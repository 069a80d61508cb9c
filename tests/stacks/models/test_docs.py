"""The settings in docs/models.md are good ones."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from stacks.problems import PROJECT
from stacks.settings import parse
from tests.stacks.models.engines import images_of
from tests.stacks.test_settings import GOOD, configuration

TEXT = Path("docs/models.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(rf"^(?: {{4}}{PROJECT}:.*\n(?: {{4}}.*\n)*)", TEXT, re.MULTILINE)]


def test_there_is_one_for_each_kind_of_environment() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_it_can_be_used_as_it_stands(block: str) -> None:
    values = {key.removeprefix(f"{PROJECT}:"): value for key, value in yaml.safe_load(block).items()}
    assert parse(configuration({**GOOD, "images": images_of(values), **values}))
