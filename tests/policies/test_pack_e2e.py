"""The same rules inside Pulumi, on the real stack of the lab: what breaks one is refused by name, what breaks none is not."""

import json
import subprocess
from pathlib import Path

import pytest

from policies.rules import RULES
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e


def test_the_pack_refuses_the_labs_buckets_once_they_are_no_throwaway_and_finds_nothing_else(lab: Lab, tmp_path: Path) -> None:
    made = subprocess.run(["make", "-s", "policy-pack"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    strict = tmp_path / "pack.json"
    strict.write_text(json.dumps({"data-is-kept": {"throwaway": False}}))
    ended = lab.pulumi("lab", "preview", "--policy-pack", "policies", "--policy-pack-config", str(strict), "--non-interactive")
    assert ended.code != 0
    assert "Bucket milvus-store-bucket: is not protected" in ended.output
    assert "Namespace rag: is not protected" in ended.output
    assert [rule.name for rule in RULES if f"[mandatory]  {rule.name} " in ended.output] == ["data-is-kept"], ended.output
