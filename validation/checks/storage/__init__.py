"""What the preflight asks of an object store, by subject, registered in STORE; importing this package registers all of it."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
