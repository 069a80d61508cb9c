"""How to make one thing: Pulumi components, and the plain rules that several of them share.

Components get values; they never read configuration or an environment.

A provider is in the state of a stack by its import path. `pulumi refresh` and `pulumi destroy` load it from there before any `pulumi up` of
this checkout has written the new path, so the former ones stay importable; what is behind them is loaded when it is asked for.
"""

import sys
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

_FORMER_FOLDERS = ("components.s3", "components.greenlake", "components.cosi", "components.existing")
_FORMER_MODULES = {  # what was in the modules on the right, by the module where it is today
    "components.dynamic_provider": ("components.api_key", "components.milvus_access.password"),
    "components.milvus_access.root": ("components.milvus_access.login",),
    "components.milvus_access.server": ("components.milvus_access.database", "components.milvus_access.public"),
    "components.milvus_access.users": ("components.milvus_access.user",),
    "components.preflight": ("components.preflight_run",),
    "components.stores.cosi": ("components.cosi.credential",),
    "components.stores.cosi.bucket": ("components.cosi.bucket",),
    "components.stores.existing": ("components.existing.credential", "components.stores.existing.credential"),
    "components.stores.greenlake.bucket": ("components.greenlake.bucket",),
    "components.stores.greenlake.credential": ("components.greenlake.credential",),
    "components.stores.s3": tuple(f"components.{folder}s3.{name}" for folder in ("", "stores.") for name in ("bucket", "credential")),
}
_FORMER_NAMES = {
    "BucketProvider": "S3BucketProvider",
    "CredentialProvider": "S3CredentialProvider",
    "GeneratedProvider": "Provider",
    "PasswordProvider": "Provider",
}


def _find(module: str, name: str) -> Any:  # noqa: ANN401  a class
    if not name.endswith("Provider"):  # what walks over all modules asks for other things
        raise AttributeError(name)
    return getattr(import_module(module), _FORMER_NAMES.get(name, name))


sys.modules.update({path: ModuleType(path) for path in _FORMER_FOLDERS})
for _module, _former in _FORMER_MODULES.items():
    for _path in _former:
        sys.modules[_path] = ModuleType(_path)
        vars(sys.modules[_path])["__getattr__"] = partial(_find, _module)
