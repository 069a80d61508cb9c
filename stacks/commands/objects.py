"""Commands that look at what an environment would declare, from its settings alone: no cluster is asked."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from policies.rules import RULES
from policies.subject import Context, Subject, Violation, context_of
from stacks.commands import EnvironmentName, Json, select, show
from stacks.images import lock
from stacks.problems import SettingsError, text_of
from stacks.settings import Settings
from stacks.yaml_files import dump

if TYPE_CHECKING:
    from stacks.rendering import Object

_MARK = ".rendered"
_UNPINNED = "image-by-digest"  # not judged before the lock is there: digests are known only once they were asked for


def values(environment: EnvironmentName) -> None:
    """Print the chart values of one environment."""
    selected = select(environment)
    from stacks import rendering

    print(dump(rendering.release(selected).values), end="")


def render(
    environment: EnvironmentName, out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: build/render/ENV")] = None
) -> None:
    """Render one environment."""
    selected = select(environment)
    from stacks import rendering

    rendered = rendering.render(selected)
    folder = out if out is not None else Path("build") / "render" / environment
    write(rendered.objects, folder)
    for note in rendered.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(rendered.objects)} objects in {folder}")


def write(objects: "list[Object]", folder: Path) -> None:
    """Replace `folder` as a whole; SettingsError for one with something else in it, which would be lost."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise SettingsError(text_of("render_foreign", folder=folder))
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for item in objects:
        target = fresh / item.path
        if target.exists():
            raise SettingsError(f"two objects are called {item.path}: the second would overwrite the first in the cluster as well")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(item.text, encoding="utf-8")
    (fresh / _MARK).touch()
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def policies(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Judge one environment."""
    selected = select(environment)
    from stacks import rendering
    from stacks.wiring import models
    from stacks.wiring.tenancy import allowed

    rendered, settings, pins = rendering.render(selected), selected.settings, lock.path_of(environment)
    context = replace(context_of(environment), allowed_hosts=allowed(settings) if settings.residency.mode == "locked" else None)
    notes = [*rendered.notes, *models.notes(settings)]
    if unpinned := context.production and not pins.is_file():
        notes.insert(0, text_of("unpinned", rule=_UNPINNED, pins=pins, environment=environment))
    left_out = frozenset({_UNPINNED} if unpinned else ())
    violations = judged([item.subject for item in rendered.objects], context, left_out)
    lines = [f"{rule:<20} {violation.subject.label}: {violation.text}" for rule, violation in violations]
    lines.append(f"{len(rendered.objects)} objects, {len(RULES)} rules: {len(violations)} violations")
    broken = [{"rule": rule, "object": violation.subject.label, "what": violation.text} for rule, violation in violations]
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    show({"objects": len(rendered.objects), "rules": len(RULES), "violations": broken}, lines, as_json=as_json)
    raise typer.Exit(1 if violations else 0)


def judged(subjects: list[Subject], context: Context, left_out: frozenset[str] = frozenset()) -> list[tuple[str, Violation]]:
    """Names of broken rules, each with the object that breaks it."""
    return [(rule.name, violation) for rule in RULES if rule.name not in left_out for violation in rule.judge(subjects, context)]


def needs(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Print the table of one environment."""
    settings = select(environment).settings
    show(_needs(settings), [table(settings)], as_json=as_json)


def _needs(settings: Settings) -> list[dict[str, Any]]:
    from stacks.wiring import tenancy

    return [
        {
            "pods": each.name,
            "at_most": each.replicas,
            "cpu_cores": each.resources.cpu_cores,
            "memory_gib": each.resources.memory_gib,
            "disk_gib": each.ephemeral_storage_gib,
        }
        for each in tenancy.consumers(settings)
    ]


def table(settings: Settings) -> str:
    """Return it as Markdown."""
    rows, sizes = _needs(settings), ("cpu_cores", "memory_gib", "disk_gib")
    lines = ["| pods | at most | cores each | memory each, GiB | node's disk each, GiB |", "|---|---|---|---|---|"]
    lines += [" | ".join([f"| {row['pods']} | {row['at_most']}", *(f"{row[size]:g}" for size in sizes)]) + " |" for row in rows]
    sums = [sum(row["at_most"] for row in rows), *(sum(row["at_most"] * row[size] for row in rows) for size in sizes)]
    return "\n".join([*lines, " | ".join(["| **all**", *(f"**{each:g}**" for each in sums)]) + " |"])


def monitoring(
    environment: EnvironmentName, out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: build/monitoring/ENV")] = None
) -> None:
    """Write the files of one environment."""
    settings = select(environment).settings
    from components.monitoring import dashboards
    from components.monitoring.rules import groups, openslo
    from stacks.wiring.monitoring import objectives

    promised = objectives(settings, environment)
    folder = out if out is not None else Path("build") / "monitoring" / environment
    files = {
        "rules.yaml": yaml.safe_dump({"groups": groups(promised, settings.monitoring.runbooks)}, sort_keys=False, width=1000),
        "openslo.yaml": yaml.safe_dump_all(openslo(promised), sort_keys=False, width=1000),
        **{f"{name}.json": json.dumps(model, indent=1) for name, model in dashboards(environment, settings.namespace).items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
