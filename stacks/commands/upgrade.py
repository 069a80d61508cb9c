"""The command that upgrades Milvus, chart or settings: one collection is judged before and after, and what is red is taken back."""

import re
import shlex
import sys
from contextlib import suppress
from typing import Annotated

import typer

from components.milvus_foundation import numbers
from components.milvus_values import SERVICE_NAME
from components.waiting import until
from stacks import environments
from stacks.commands import EnvironmentName, images, reach, select
from stacks.environments import Environment
from stacks.images import lock
from stacks.operations import helm, pulumi_cli, steps, upgrades
from stacks.operations.steps import Progress
from stacks.operations.upgrades import Upgrade
from stacks.problems import SettingsError, failure, text_of

_UNPROVEN = 3
_TAG = re.compile(r"\d+\.\d+\.\d+[^@:/]*(@.*)?$")


def upgrade(
    environment: EnvironmentName,
    backup: Annotated[list[str] | None, typer.Argument(metavar="[-- OPTIONS]", help="Of `./rag backup`.")] = None,
    *,
    to: Annotated[str, typer.Option(metavar="VERSION", help="Version of Milvus: the tag of images.milvus.")] = "",
    chart_version: Annotated[str, typer.Option(metavar="VERSION", help="Version of the chart: milvus.chart_version.")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Another setting; again for more.")] = None,
    collection: Annotated[str, typer.Option(metavar="NAME", help="The collection that the gate judges before and after.")] = "",
    no_collection: Annotated[str, typer.Option(metavar="REASON", help="Why none is; the gate fills one of its own.")] = "",
    no_backup: Annotated[str, typer.Option(metavar="REASON", help="Why no backup is made before.")] = "",
    corpus: Annotated[str, typer.Option(metavar="PATH", help="Folder with the questions.jsonl of the collection.")] = "corpus",
    tolerance: Annotated[float, typer.Option(min=0, help="Percent by which a number may be worse than before.")] = 25,
    back: Annotated[bool, typer.Option("--back", help="Take back the upgrade that is not finished.")] = False,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print the plan, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for CI.")] = False,
) -> None:
    """Upgrade one environment."""
    if backup and not backup[0].startswith("-"):
        raise failure("upgrade_word", word=backup[0], environment=environment)
    acts, progress = not only_plan and bool(collection or no_collection or back), Progress("upgrade")
    selected, going = reach(environment, "rollout" if acts else "look"), upgrades.read(environment)
    typed = shlex.join(["./rag", "upgrade", environment, *(word for word in sys.argv[1:] if word not in {"upgrade", environment})])
    changes = [*_to(environment, to), *([f"milvus.chart_version={chart_version}"] if chart_version else []), *(settings or ())]
    record = going or Upgrade(environment=environment, command=typed, changes=changes, collection=collection, corpus=corpus)
    if going is not None:
        print(f"an upgrade is not finished: {record.what}; it goes on with: {record.command}")
    if (going is None) if back else acts and (record.changes, record.collection) != (changes, collection):
        told = {"environment": environment, "command": record.command}
        raise failure("upgrade_none", **told) if going is None else failure("upgrade_unfinished", **told)
    if going is None:
        _plan(selected, record)
        record.what += "".join(f"; no {name}: {why}" for name, why in (("collection", no_collection), ("backup", no_backup)) if why)
    if changes and not (acts or only_plan):
        raise failure("upgrade_collection", environment=environment)
    if acts:
        steps.require_yes("go on", progress, yes=yes)
        steps.mend(selected, progress, yes=yes)
        words = None if no_backup else ["backup", environment, "--label", "before an upgrade", *(backup or ())]
        _take_back(selected, record, progress) if back else _upgrade(selected, record, progress, tolerance, words)


def _to(environment: str, to: str) -> list[str]:
    """Return the change of the image that another version of Milvus is; none where none is asked for."""
    image = environments.load(environment).settings.images.milvus
    if to and not (numbers(to) and _TAG.search(image)):
        raise failure("upgrade_image", to=to, image=image)
    return [f"images.milvus={_TAG.sub(to, image)}"] if to else []


def _plan(selected: Environment, record: Upgrade) -> None:
    """Print where the environment is, what changes, and what lies ahead; SettingsError for what cannot be done in one step."""
    from stacks import rendering
    from stacks.images import chart

    if not helm.good_revision(SERVICE_NAME, selected.settings.namespace):
        raise failure("upgrade_nothing", environment=selected.name)
    running, target = helm.installed(SERVICE_NAME, selected.settings.namespace), environments.load(selected.name, changes=record.changes)
    wanted = target.settings.images.milvus, target.settings.milvus.resolved_chart_version()
    print(f"by its Helm release {selected.name} runs {running[0].partition('@')[0]} with chart {running[1]}; the settings ask for:")
    rows = upgrades.plan(running, wanted)
    print(*upgrades.described(rows), *(f"      set: {each}" for each in record.changes), sep="\n")
    if not record.changes:
        print("what lies ahead, one step at a time:", *upgrades.described(upgrades.ahead(wanted[0])), sep="\n")
    record.what = "; ".join(row["what"] for row in rows)
    record.undone = "; ".join(filter(None, (row["says"].get("cannot be undone") for row in rows)))
    chart.refuse_dropped_keys(rendering.release(target))


def _upgrade(selected: Environment, record: Upgrade, progress: Progress, tolerance: float, backup: list[str] | None) -> None:
    """Look at store and collection, and back up; make the change, judge what became of it, and take it back where it is red."""
    if not record.files and (code := steps.preflight(selected, progress) or _gate(record, progress)):
        progress.stop(code, "store and gate have to be green before an upgrade, or nothing could be seen after it; nothing was changed")
    if not record.files and backup and (code := steps.validation(*backup)):
        progress.stop(code, "there is no backup, so nothing was changed; without one: --no-backup REASON")
    code, why = _change(selected, record, progress) or _judge(record, progress, tolerance)
    if not code:
        record.note.unlink()
        progress.tell("done: the gate is green, the content is the same, and nothing is worse")
        return
    if code == pulumi_cli.INTERRUPTED:
        progress.stop(code, f"{why}; the same command goes on: {record.command}")
    _take_back(selected, record, progress, code, why)
    progress.stop(code, why)


def _change(selected: Environment, record: Upgrade, progress: Progress) -> tuple[int, str] | None:
    """Change settings, pin anew what they name where there is a lock, and `pulumi up`; return exit code and reason where that fails."""
    files = (selected.source, lock.path_of(selected.name))
    progress.tell(f"settings: {', '.join(record.changes) or 'as they stand'}; pulumi up")
    record.revision = record.revision or helm.good_revision(SERVICE_NAME, selected.settings.namespace)
    record.keep(*files)
    try:
        for each in record.changes:
            pulumi_cli.configure(selected.name, *each.partition("=")[::2])
        if files[1].is_file() and any(each.startswith(("images.", "milvus.chart_version")) for each in record.changes):
            images.pin(selected.name, below=selected.settings.promotion.passed_in if selected.settings.promotion is not None else "")
        select(selected.name, step="rollout")
        record.keep(*files)
        progress.up(selected, "what this run changed is taken back where it can be")
    except SettingsError as error:
        return error.exit_code, str(error)
    except typer.Exit as ended:
        return ended.exit_code, "`pulumi up` did not succeed"
    return None


def _judge(record: Upgrade, progress: Progress, tolerance: float) -> tuple[int, str]:
    """Measure the same collection again once it is loaded, and compare; return exit code and reason."""
    awaited = {(record.collection, "Loaded")} if record.collection else set[tuple[str, str]]()
    with suppress(TimeoutError):  # the gate says what is not there
        until(
            lambda: awaited <= {(each["name"], each["state"]) for each in steps.collections(record.environment)[0]} or None,
            timeout_s=steps.PATIENCE_S,
        )
    if code := _gate(record, progress):
        return code, f"the gate ended with {code}"
    worse = steps.validation("compare", record.reports[0], record.reports[-1], "--tolerance", str(tolerance))
    return steps.WRONG if worse else 0, f"something is worse than before by more than {tolerance:g} %, or the content is not the same"


def _gate(record: Upgrade, progress: Progress) -> int:
    """Measure, and once more where that proves nothing; return the exit code."""
    when, on = "after" if record.files else "before", ["--collection", record.collection] if record.collection else []
    progress.tell(f"gate {when}, on {record.collection or 'the sample corpus'}: {record.what}")
    record.reports.append(str(steps.report_folder()))
    options = ["--corpus", record.corpus, *on, "--label", f"{when}: {record.what}", "--out", record.reports[-1]]
    code = steps.validation("run", record.environment, *options)
    return steps.validation("run", record.environment, *options) if code == _UNPROVEN else code


def _take_back(selected: Environment, record: Upgrade, progress: Progress, code: int = steps.WRONG, why: str = "asked to") -> None:
    """Bring back the settings, where they were changed here, and the release of before; stop where that cannot be."""
    touched = helm.history(SERVICE_NAME, selected.settings.namespace)[-1].number != record.revision
    if touched and record.undone:
        progress.stop(code, text_of("upgrade_undone", why=why, what=record.undone, command=record.command))
    progress.tell(f"taking it back: {why}")
    record.put_back()
    if touched:
        progress.tell(f"helm rollback to revision {record.revision}")
        helm.roll_back(SERVICE_NAME, selected.settings.namespace, record.revision)
        if record.changes:
            progress.up(selected, f"settings and release are those of before; again: ./rag upgrade {selected.name} --back")
    record.note.unlink()
    progress.tell("taken back" if record.changes else "taken back; settings still ask for it: change them before the next `pulumi up`")
