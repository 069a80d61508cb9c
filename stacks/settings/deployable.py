"""What keeps good settings from being deployed: placeholders of the examples, and a bucket that another environment has.

Two environments never share one place on one store: each Milvus deletes every object there that it does not know. The files of the others
are looked at as they are, and only for that place. The mark on the bucket refuses it a second time, also for other checkouts.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from stacks import yaml_files
from stacks.problems import Path as Keys
from stacks.problems import Problem, SettingsError, WrongValueError, located, problem, set_command, shown_as
from stacks.settings import Settings, default_bucket, plain
from stacks.settings.group import parsed
from stacks.settings.milvus import MilvusSettings
from stacks.settings.object_store import CosiSettings

_RESERVED = re.compile(r"(?<![-a-z0-9])example\.(net|com|org)(?![-.a-z0-9])|\.example(?=[:/\]\s]|$)", re.IGNORECASE)
"""Names that RFC 2606 sets aside for documents."""
FOLDER = Path(__file__).parent.parent
_CA = FOLDER / "example-ca.crt"


def placeholders(value: Any, path: Keys = ()) -> Iterator[Problem]:  # noqa: ANN401  plain data of any shape
    """Every placeholder in settings, as plain data by name; lists and groups may be texts of JSON, as Pulumi stores them."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with suppress(WrongValueError):
            value = parsed(value)
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if _RESERVED.search(str(key)):
                yield problem("placeholder_key", (*path, str(key)), value=shown_as(str(key)))
            yield from placeholders(item, (*path, str(key)))
    elif isinstance(value, str) and _RESERVED.search(value):
        yield problem("placeholder_address", path, value=shown_as(value), cure=set_command(path, "yours"))
    elif isinstance(value, str) and path[-1].endswith("ca_file") and _is_example(value):
        yield problem("placeholder_certificate", path, value=shown_as(value), cure=set_command(path, "FILE"))


def _is_example(name: str) -> bool:
    try:
        return Path(name).expanduser().read_bytes() == _CA.read_bytes()
    except OSError:
        return False  # refused as no file at all


def bucket_conflicts(settings: Settings, name: str, folder: Path = FOLDER) -> Iterator[Problem]:
    """Every other environment of the checkout that keeps Milvus's data in the same place, or may; COSI gives no name twice."""
    if isinstance(settings.object_store, CosiSettings):
        return
    own = (settings.object_store.endpoint, settings.milvus_bucket, settings.milvus.root_path)
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        other, key = path.name.removeprefix("Pulumi.").removesuffix(".yaml"), ("object_store", "milvus_bucket")
        if other == name:
            continue
        try:
            place = _place(yaml_files.read(path))
        except SettingsError as error:
            first = error.problems[0]
            yield problem("neighbour", first.path, location=first.location, other=other, problem=first.wrong)
            continue
        if place == own:
            shared = problem("shared_place", key, value=repr(own[1]), name=name, other=other, own=own)
            yield replace(shared, cure=set_command(key, f"{name}-milvus"))


def _place(file: yaml_files.SettingsFile) -> tuple[str | None, str, str]:
    """Endpoint, bucket and root path; SettingsError for a file that does not say them."""
    raw, wrong = plain(file.config)
    for name in ("object_store", "milvus"):
        if not isinstance(raw.get(name), Mapping | None):
            wrong.append(Problem(code="settings.type", path=(name,), wrong=f"has milvus-x10000:{name} that is no group of settings"))
    if wrong:
        raise SettingsError(problems=located(wrong, file.locations))
    store, milvus = raw.get("object_store") or {}, raw.get("milvus") or {}
    if store.get("driver") == "cosi":
        return None, "", ""
    namespace = str(raw.get("namespace", Settings.model_fields["namespace"].default))
    root_path = milvus.get("root_path", MilvusSettings.model_fields["root_path"].default)
    return str(store.get("endpoint")).rstrip("/"), str(store.get("milvus_bucket", default_bucket(namespace))), str(root_path)
