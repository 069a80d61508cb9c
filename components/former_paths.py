"""Where providers are today that the state of an older stack names by a former import path.

A provider is in the state by its import path. `pulumi refresh` and `pulumi destroy` load it from there before any `pulumi up` of this
checkout has written the new path, so the former ones stay importable.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

_STORES = "components.stores"
_PACKAGES = ("components.s3", "components.greenlake", "components.cosi", "components.existing")
_FORMER = {
    "components.s3.bucket": {"BucketProvider": f"{_STORES}.s3.bucket:S3BucketProvider"},
    "components.s3.credential": {"CredentialProvider": f"{_STORES}.s3.credential:S3CredentialProvider"},
    "components.greenlake.bucket": {"GreenLakeBucketProvider": f"{_STORES}.greenlake.bucket:GreenLakeBucketProvider"},
    "components.greenlake.credential": {"GreenLakeCredentialProvider": f"{_STORES}.greenlake.credential:GreenLakeCredentialProvider"},
    "components.cosi.bucket": {
        "BucketClassProvider": f"{_STORES}.cosi.bucket:BucketClassProvider",
        "BucketClaimProvider": f"{_STORES}.cosi.bucket:BucketClaimProvider",
    },
    "components.cosi.credential": {
        "AccessClassProvider": f"{_STORES}.cosi.bucket:AccessClassProvider",
        "CosiCredentialProvider": f"{_STORES}.cosi.credential:CosiCredentialProvider",
    },
    "components.existing.credential": {"ExistingCredentialProvider": f"{_STORES}.existing.credential:ExistingCredentialProvider"},
    "components.milvus_access.password": {"PasswordProvider": "components.dynamic_provider:Provider"},
}


def register() -> None:
    """Make the former paths importable; what is behind them is loaded when it is asked for."""
    sys.modules.update({path: ModuleType(path) for path in (*_PACKAGES, *_FORMER)})
    for path, names in _FORMER.items():
        vars(sys.modules[path])["__getattr__"] = _lookup(names)


def _lookup(names: dict[str, str]) -> Callable[[str], Any]:
    def find(name: str) -> Any:  # noqa: ANN401  a class
        if name not in names:
            raise AttributeError(name)
        module, _, attribute = names[name].partition(":")
        return getattr(import_module(module), attribute)

    return find
