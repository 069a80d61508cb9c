"""Commands that ask whether a cluster has what an environment needs: all of it line by line, or GPUs alone."""

import datetime as dt
from collections.abc import Iterator
from typing import Annotated

import typer

from stacks.commands import EnvironmentName, Json, reach, report, select, show
from stacks.environments import Environment, slo_of
from stacks.images import lock
from stacks.problems import Line, line_of

_WRONG = 1


def check(
    environment: EnvironmentName,
    *,
    pre: Annotated[bool, typer.Option("--pre", help="Before the installation: no pods are expected.")] = False,
    posture: Annotated[bool, typer.Option("--posture", help="Only how every running pod is guarded.")] = False,
    pod: Annotated[bool, typer.Option("--pod/--no-pod", help="Ask from inside the cluster, by a short-lived pod.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="A WARN exits 1.")] = False,
    as_json: Json = False,
) -> None:
    """Check one environment."""
    selected = reach(environment)
    if posture:
        from stacks.operations import pod_watch
        from stacks.operations.posture import inside, judge

        lines = list(judge(pod_watch.pods(selected.settings.namespace), inside))
    else:
        lines = [*_of_files(selected, pre=pre), *_of_everything_else(selected, pre=pre, pod=pod)]
    report(lines, as_json=as_json)
    levels = {line.level for line in lines}
    raise typer.Exit(_WRONG if "FAIL" in levels or (strict and "WARN" in levels) else 0)


def _of_files(selected: Environment, *, pre: bool) -> Iterator[Line]:
    name, slo = selected.name, slo_of(selected.name)
    for each in selected.placeholders:
        yield line_of("placeholder", level="FAIL" if pre else "WARN", each=each)
    if selected.settings.images_pinned == "required" and not lock.path_of(name).is_file():
        yield line_of("images_unpinned", lock=lock.path_of(name), name=name)
    yield line_of("slo" if slo.is_file() else "slo_missing", slo=slo.name)


def _of_everything_else(selected: Environment, *, pre: bool, pod: bool) -> Iterator[Line]:
    from stacks.operations import cluster, examination, pod_probe, pod_watch

    settings, name = selected.settings, selected.name
    yield from examination.of_shell(selected)
    yield examination.of_store(settings)
    seen = cluster.look(settings, name)
    yield from examination.of_cluster(settings, seen, dt.datetime.now(dt.UTC))
    if pod:
        places = [examination.store_address(settings), f"kubernetes.default.svc.{settings.cluster.domain}"]
        yield from pod_probe.lines(settings, name, "default" if seen.namespace is None else settings.namespace, places)
    if not pre:
        troubles = examination.of_troubles(pod_watch.look(name, settings.namespace))
        yield from troubles or [line_of("pods")]


def gpus(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Look at the nodes for one environment."""
    settings = select(environment).settings
    from components.pods import placing_problem
    from stacks.operations import cluster
    from stacks.wiring import models

    needed = {name: each.gpu.to_args(settings.pod_options) for name, each in models.here(settings).items() if each.gpu is not None}
    if not needed:
        show({}, ["no model service asks for a GPU"], as_json=as_json)
        return
    cluster.show(settings, environment)
    there = cluster.nodes()
    problems = {name: placing_problem(gpu, there) for name, gpu in needed.items()}
    seen = {name: problems[name] or f"{gpu.count} x {gpu.resource} of {gpu.product!r}: a node has them" for name, gpu in needed.items()}
    data = {name: {"fits": not problems[name], "seen": text} for name, text in seen.items()}
    show(data, [f"{name}: {text}" for name, text in seen.items()], as_json=as_json)
    raise typer.Exit(_WRONG if any(problems.values()) else 0)
