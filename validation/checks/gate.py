"""Every check of the gate: importing this module registers all of them, and with them every measure."""

import importlib
import json
import pkgutil

from validation import checks
from validation.checks.context import GATE
from validation.judge.measures import CATALOGUE
from validation.run.options import Json

__all__ = ["GATE"]

for _module in pkgutil.iter_modules(checks.__path__):
    importlib.import_module(f"{checks.__name__}.{_module.name}")
for _check in GATE.ordered():  # so that measures are listed in the order in which they are measured
    for _measure in _check.measures:
        CATALOGUE[_measure.name] = CATALOGUE.pop(_measure.name)


def list_checks(*, as_json: Json = False) -> None:
    """Print what the gate asks, in order, with the measures that an SLO file may name, as a Markdown table.

    Example:
        ./rag checks
    """
    if not as_json:
        print(GATE.table(), end="")
        return
    about = [(each, [measure.name for measure in each.measures]) for each in GATE.ordered()]
    rows = [{"name": each.name, "question": each.question, "writes": each.writes, "measures": names} for each, names in about]
    print(json.dumps(rows, indent=2, ensure_ascii=False))
