"""The pages: a file of the project that one names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "Pulumi.yaml"]
NAMED = re.compile(r"(?<![\w/.-])((?:components|stacks|policies|validation|lab|tests|docs|corpus)/[\w./-]*\w/?)(?![\w*<{])")
ELSEWHERE = {"stacks/images.prod.lock", "stacks/passed.staging.yaml", "policies/.venv", "docs/usage/security.md"}
"""What a command writes into the checkout, or another project has."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = {name for name in NAMED.findall(page.read_text()) if not re.search(r"NAME|ENV|acme", name)}
    missing = {name for name in named - ELSEWHERE if not (ROOT / name).exists() and not list(ROOT.glob(f"{name}*"))}
    assert not missing


def test_a_name_that_is_not_there_would_be_found() -> None:
    assert NAMED.findall("see `validation/gone.py` and lab/gone/") == ["validation/gone.py", "lab/gone/"]
