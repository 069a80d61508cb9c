"""The table of what a finding breaks and what cures it."""

import re
from pathlib import Path

import yaml

from validation.checks import storage
from validation.suites import preflight

FOLDER = Path(storage.__file__).parent
SOURCES = "".join(path.read_text() for path in (*FOLDER.glob("*.py"), Path(preflight.__file__)))
TABLE = yaml.safe_load((FOLDER / "findings.yaml").read_text())


def test_every_finding_has_a_consequence_and_a_cure_and_no_row_is_left_over() -> None:
    named = set(re.findall(r'(?:\.warn|\.warn_if|\.fail|\.block|describe)\(\s*"([^"]+)"', SOURCES))
    assert named <= TABLE.keys()
    assert {key for key in TABLE if f'"{key}"' not in SOURCES} == set()
    assert all(row.keys() == {"breaks", "cure"} and all(row.values()) for row in TABLE.values())
