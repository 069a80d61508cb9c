"""Two environments never share one place on one store: each Milvus deletes every object there that it does not know.

Looks at the files of the other environments as they are, without judging more of them than whether that place can be read. The mark on
the bucket refuses it a second time, at the store, also for environments of other checkouts.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from stacks import yaml_files
from stacks.problems import Problem, SettingsError, located, set_command
from stacks.settings import Settings, default_bucket, plain
from stacks.settings.milvus import MilvusSettings
from stacks.settings.object_store import CosiSettings

FOLDER = Path(__file__).parent.parent
_UNKNOWN = "nobody can tell whether both keep Milvus's data in one place, where each would delete what the other wrote"


def problems(settings: Settings, name: str, folder: Path = FOLDER) -> Iterator[Problem]:
    """Every other environment of the checkout that keeps Milvus's data in the same place, or may; COSI gives no name twice."""
    if isinstance(settings.object_store, CosiSettings):
        return
    own = (settings.object_store.endpoint, settings.milvus_bucket, settings.milvus.root_path)
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        other = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        if other == name:
            continue
        try:
            place = _place(yaml_files.read(path))
        except SettingsError as error:
            yield _broken(other, error.problems[0])
            continue
        if place == own:
            key = ("object_store", "milvus_bucket")
            yield Problem(
                code="settings.shared_place",
                path=key,
                value=repr(own[1]),
                wrong=f"the environments {name!r} and {other!r} both keep Milvus's data in bucket {own[1]!r} below {own[2]!r} on {own[0]}",
                breaks="each would delete what the other wrote",
                cure=set_command(key, f"{name}-milvus"),
            )


def _broken(other: str, problem: Problem) -> Problem:
    wrong = f"the file of another environment, {other!r}, {problem.wrong}"
    cure = f"mend it, and look: make values ENV={other}; or move it elsewhere"
    return Problem(code="settings.neighbour", path=problem.path, location=problem.location, wrong=wrong, breaks=_UNKNOWN, cure=cure)


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
