"""How to make one thing: Pulumi components, and the plain rules that several of them share.

Components get values; they never read configuration or an environment.

A provider is in the state of a stack by its import path. `pulumi refresh` and `pulumi destroy` load it from there before any `pulumi up` of
this checkout has written the new path, so the former ones stay importable; what is behind them is loaded when it is asked for.
"""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

_FORMER = yaml.safe_load(Path(__file__).with_name("former.yaml").read_text(encoding="utf-8"))


def _find(module: str, name: str) -> Any:  # noqa: ANN401  a class
    if not name.endswith("Provider"):  # what walks over all modules asks for other things
        raise AttributeError(name)
    return getattr(import_module(module), _FORMER["names"].get(name, name))


sys.modules.update({path: ModuleType(path) for path in _FORMER["folders"]})
for _path, _module in _FORMER["modules"].items():
    sys.modules[_path] = ModuleType(_path)
    vars(sys.modules[_path])["__getattr__"] = partial(_find, _module)
