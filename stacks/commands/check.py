"""Check what an environment needs, before (--pre) or after its installation: each line is OK, WARN or FAIL, with a cure and a page.

Looks at settings, tools, the store's address, and the cluster: version, rights of this account, namespace, StorageClasses, CRDs, room of
nodes and GPUs, named Secrets with their keys, days of their certificates. Without --pre also at the pods that run. With --posture at
how every running pod is guarded: user, read-only root, limits, probes, token. Changes nothing, and runs nothing in the cluster.

Exit codes: 0 nothing failed, 1 something failed (with --strict: a WARN too), 2 wrong usage or settings, 4 the cluster does not answer.

For example:

    ./rag check prod --pre

    ./rag check prod --posture --json
"""

import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from stacks.commands import EnvironmentName, Json, select
from stacks.environments import Environment, slo_of
from stacks.images import lock
from stacks.operations import cluster, cluster_facts, examination, pod_watch
from stacks.operations.examination import Line
from stacks.operations.steps import WRONG


def run(
    environment: EnvironmentName,
    *,
    pre: Annotated[bool, typer.Option("--pre", help="Before the installation: no pods are expected.")] = False,
    posture: Annotated[bool, typer.Option("--posture", help="Only how every running pod is guarded.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A WARN exits 1.")] = False,
    as_json: Json = False,
) -> None:
    """Check one environment."""
    selected = select(environment)
    cluster.show(selected.settings, environment)
    lines = list(examination.of_posture(pod_watch.pods(selected.settings.namespace))) if posture else list(_lines(selected, pre=pre))
    report(lines, as_json=as_json)
    levels = {line.level for line in lines}
    raise typer.Exit(WRONG if "FAIL" in levels or (strict and "WARN" in levels) else 0)


def report(lines: Sequence[Line], *, as_json: bool) -> None:
    """Print lines for people, or as JSON."""
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2, ensure_ascii=False))
        return
    for line in lines:
        print(line.text)
    counts = ", ".join(f"{sum(line.level == level for line in lines)} {level}" for level in ("OK", "WARN", "FAIL"))
    print(f"in all: {counts}")
    sys.stdout.flush()


def _lines(selected: Environment, *, pre: bool) -> Iterator[Line]:
    yield from _files(selected, pre=pre)
    yield from examination.of_shell(selected.settings)
    yield from examination.of_cluster(selected.settings, cluster_facts.look(selected.settings, selected.name), dt.datetime.now(dt.UTC))
    if not pre:
        troubles = pod_watch.look(selected.name, selected.settings.namespace)
        yield from (Line("FAIL", trouble.where, trouble.problem, trouble.cure, "docs/operations.md") for trouble in troubles)
        if not troubles:
            yield Line("OK", "pods", "none is kept from starting; more: ./rag status")


def _files(selected: Environment, *, pre: bool) -> Iterator[Line]:
    for each in selected.placeholders:
        yield Line("FAIL" if pre else "WARN", each.key, f"{each.value} {each.wrong}, so `pulumi up` refuses it", each.cure)
    name = selected.name
    if selected.settings.images_pinned == "required" and not lock.path_of(name).is_file():
        yield Line("FAIL", "images", f"there is no {lock.path_of(name)}, so `pulumi up` refuses to start", f"./rag pin {name}")
    if slo_of(name).is_file():
        yield Line("OK", "SLO file", f"validation/{slo_of(name).name}")
    else:
        yield Line(
            "FAIL",
            "SLO file",
            f"there is no validation/{slo_of(name).name}: the gate has nothing to judge by",
            "docs/gate.md says how to write it",
        )
