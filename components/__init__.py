"""How to make one thing: Pulumi components, and the plain rules that several of them share.

Components get values; they never read configuration or an environment.

A provider is in the state of a stack by its import path. `pulumi refresh` and `pulumi destroy` load it from there before any `pulumi up` of
this checkout has written the new path, so the former ones stay importable; what is behind them is loaded when it is asked for.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

_FORMER_FOLDERS = ("components.s3", "components.greenlake", "components.cosi", "components.existing")
_FORMER_MODULES = {
    "components.api_key": "components.dynamic_provider",
    "components.milvus_access.database": "components.milvus_access.server",
    "components.milvus_access.login": "components.milvus_access.root",
    "components.milvus_access.password": "components.dynamic_provider",
    "components.milvus_access.public": "components.milvus_access.server",
    "components.milvus_access.user": "components.milvus_access.users",
    "components.s3.bucket": "components.stores.s3",
    "components.s3.credential": "components.stores.s3",
    "components.greenlake.bucket": "components.stores.greenlake.bucket",
    "components.greenlake.credential": "components.stores.greenlake.credential",
    "components.cosi.bucket": "components.stores.cosi.bucket",
    "components.cosi.credential": "components.stores.cosi",
    "components.preflight_run": "components.preflight",
    "components.existing.credential": "components.stores.existing",
    "components.stores.existing.credential": "components.stores.existing",
    "components.stores.s3.bucket": "components.stores.s3",
    "components.stores.s3.credential": "components.stores.s3",
}
_FORMER_NAMES = {
    "BucketProvider": "S3BucketProvider",
    "CredentialProvider": "S3CredentialProvider",
    "GeneratedProvider": "Provider",
    "PasswordProvider": "Provider",
}


def _lookup(module: str) -> Callable[[str], Any]:
    def find(name: str) -> Any:  # noqa: ANN401  a class
        if not name.endswith("Provider"):  # what walks over all modules asks for other things
            raise AttributeError(name)
        return getattr(import_module(module), _FORMER_NAMES.get(name, name))

    return find


sys.modules.update({path: ModuleType(path) for path in _FORMER_FOLDERS})
for _former, _module in _FORMER_MODULES.items():
    sys.modules[_former] = ModuleType(_former)
    vars(sys.modules[_former])["__getattr__"] = _lookup(_module)
