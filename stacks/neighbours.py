"""Two environments never share one place on one store: each Milvus deletes every object there that it does not know.

Looks at the files of the other environments as they are, without judging them. The mark on the bucket refuses it a second time, at the
store, also for environments of other checkouts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stacks.problems import SettingsError
from stacks.settings import PROJECT, Settings
from stacks.settings.object_store import CosiSettings

FOLDER = Path(__file__).parent
_DEFAULTS = {"namespace": "rag", "root_path": "milvus"}


def refuse_shared(settings: Settings, name: str, folder: Path = FOLDER) -> None:
    """SettingsError when another environment of the checkout keeps Milvus's data in the same place; COSI gives no name twice."""
    if isinstance(settings.object_store, CosiSettings):
        return
    own = (settings.object_store.endpoint, settings.milvus_bucket, settings.milvus.root_path)
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        other = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        if other != name and _place(yaml.safe_load(path.read_text(encoding="utf-8")) or {}) == own:
            raise SettingsError(
                f"{PROJECT}: the environments {name!r} and {other!r} both keep Milvus's data in bucket {own[1]!r} below {own[2]!r} on "
                f"{own[0]}: each would delete what the other wrote. "
                f"Cure: pulumi config set --path {PROJECT}:object_store.milvus_bucket {name}-milvus"
            )


def _place(file: Mapping[str, Any]) -> tuple[str | None, str, str]:
    config = file.get("config") or {}
    store, milvus = config.get(f"{PROJECT}:object_store") or {}, config.get(f"{PROJECT}:milvus") or {}
    namespace = config.get(f"{PROJECT}:namespace", _DEFAULTS["namespace"])
    if store.get("driver") == "cosi":
        return None, "", ""
    return store.get("endpoint"), store.get("milvus_bucket", f"{namespace}-milvus"), milvus.get("root_path", _DEFAULTS["root_path"])
