"""Starts the plugin from wherever this folder lies: `python -I /any/path/kubernetes ENGINE_ADDRESS`.

The folder has the name of the client library, so its parent must not be on the module path: the package is loaded under another name.
"""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "kubernetes_stand_in"


def load() -> None:
    """Make this folder importable as a package called NAME, and nothing else importable."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in (HERE, HERE.parent)]
    spec = importlib.util.spec_from_file_location(NAME, HERE / "__init__.py", submodule_search_locations=[str(HERE)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{HERE} is not a Python package, so the kubernetes plugin cannot start: install it again (make up)")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load()
    importlib.import_module(f"{NAME}.main").main()
