"""A whole target for a whole run: a small Milvus, a bucket, models and a Kubernetes API, all on loopback."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.validation.conftest import LAB
from tests.validation.lite import Lite
from validation.suites.runner import Order

DEAR = ("filter_", "growing_", "sealed_", "during_ingest_")


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where it is, and the Milvus of it."""

    lite: Lite
    target: Path
    slo: Path
    corpus: Path

    def order(self) -> Order:
        """Return what the command line would make of it."""
        return Order(stack=str(self.target), slo=self.slo, corpus=self.corpus)

    def arguments(self, out: Path) -> list[str]:
        """Return the same for a process."""
        named = {"--slo": self.slo, "--corpus": self.corpus, "--out": out}
        return ["run", str(self.target), *(str(part) for pair in named.items() for part in pair)]


def write_target(home: Path, outputs: dict[str, Any]) -> Path:
    """Write outputs as a target file."""
    path = home / "target.json"
    path.write_text(json.dumps(outputs))
    return path


def write_slo(home: Path, rate: float = 100) -> Path:
    """Write the lab's profile, as small as one may be."""
    small = yaml.safe_load(LAB.read_text())
    small["vectors"]["value"], small["requests"]["value"], small["search"]["warmup_requests"] = 1000, 100, 5
    small["rate"]["value"] = rate
    small["objectives"] = {sli: one for sli, one in small["objectives"].items() if not sli.startswith(DEAR)}
    path = home / "slo.yaml"
    path.write_text(yaml.safe_dump(small, sort_keys=False))
    return path
