"""Pages of the gate to look at, made of real runs of the lab: `runs/*.json.xz`, one that passed and one that proves nothing.

.venv/bin/python -m tests.page.written FOLDER          writes them
"""

import copy
import json
import lzma
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from validation.checks import gate  # noqa: F401  the measures whose meaning stands in a page
from validation.reports import export, history, model

RUNS = Path(__file__).parent / "runs"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> & \"'</table> `x` " + "long" * 40
"""As the name of whatever a run has names from others for."""


def pages(home: Path, reports: Iterable[Path] = ()) -> None:
    """Write a page of each kept run, of `reports`, of a run with markup in every name, of one that died early, and one of all runs."""
    kept = {path.name.partition(".")[0]: json.loads(lzma.decompress(path.read_bytes())) for path in RUNS.glob("*.json.xz")}
    kept |= {f"run-{number}": json.loads(path.read_bytes()) for number, path in enumerate(reports)}
    for name, data in (kept | {"hostile": _hostile(copy.deepcopy(kept["invalid"])), "early": _early(kept["pass"])}).items():
        folder = home / name
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(data))
        (home / f"{name}.html").write_text(export.page(model.read(folder)))
    history.runs(home, home / "trends.html", as_json=False)


def _hostile(data: dict[str, Any]) -> dict[str, Any]:
    """Return a run in which texts that are others' hold markup."""
    facts = {check["name"]: check["facts"] for check in data["checks"]}
    facts["retrieval"]["by_filter"][HOSTILE] = {"requests": 0, "p95_ms": None, "recall_at_10": 0.0}
    facts["quality"]["by"][HOSTILE] = {HOSTILE: {"questions": 1, "ndcg_at_10": 0.5}}
    facts["answer"]["wrong"][0] |= dict.fromkeys(("question", "asked", "expected", "answer"), HOSTILE) | {"sources": [HOSTILE]}
    changed: dict[str, Any] = {
        "result": data["result"] | {"reason": HOSTILE},
        "validity": {"valid": False, "faults": [HOSTILE]},
        "left_behind": [HOSTILE],
        "skipped": {HOSTILE: HOSTILE},
        "baseline": [HOSTILE],
        "versions": {HOSTILE: HOSTILE},
        "images": [{"pod": HOSTILE, "container": HOSTILE, "image": HOSTILE, "digest": HOSTILE}],
        "inputs": data["inputs"] | {"profile": data["inputs"]["profile"] | {"profile": HOSTILE}},
        "objectives": [each | {"why": HOSTILE, "sli": HOSTILE} for each in data["objectives"][:3]] + data["objectives"][3:],
    }
    checks = [each | {"name": HOSTILE, "question": HOSTILE} if each["name"] == "modes" else each for each in data["checks"]]
    return data | changed | {"checks": checks}


def _early(data: dict[str, Any]) -> dict[str, Any]:
    """Return a run that died at its first check."""
    first = data["checks"][0] | {"status": "stopped", "facts": {}}
    nothing: dict[str, Any] = {"objectives": [], "measurements": {}, "budget": [], "versions": {}, "images": [], "baseline": []}
    reason = "Milvus does not answer at http://milvus.rag.svc.cluster.local:19530"
    result = {"outcome": "UNREACHABLE", "exit_code": 4, "reason": reason}
    return data | nothing | {"checks": [first], "result": result, "verdict": None, "validity": {"valid": False, "faults": [reason]}}


if __name__ == "__main__":
    pages(Path(sys.argv[1]))
