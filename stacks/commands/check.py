"""Check what an environment needs, before (--pre) or after its installation: each line is OK, WARN or FAIL, with a cure and a page.

Looks at settings, tools, Pulumi's plugin and state, the store's address, and the cluster: version, rights of this account, namespace,
StorageClasses, CRDs, room of nodes and GPUs, named Secrets with their keys and logins, days of certificates, and whether a Prometheus would
select the monitors. A short-lived pod resolves names and reaches the store from inside (--no-pod leaves it out); nothing else is made.
Without --pre also the pods that run. With --posture only
how every running pod is guarded, asked inside its containers: user, read-only root, token, limit of memory, and probes.

Exit codes: 0 nothing failed, 1 something failed (with --strict: a WARN too), 2 wrong usage or settings, 4 the cluster does not answer.

For example:

    ./rag check prod --pre

    ./rag check prod --posture --json
"""

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stacks.commands import EnvironmentName, Json, reach, show
from stacks.environments import Environment, slo_of
from stacks.images import lock

if TYPE_CHECKING:
    from stacks.operations.examination import Line

_WRONG = 1


def run(
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
    lines = list(_posture(selected.settings.namespace) if posture else _lines(selected, pre=pre, pod=pod))
    report(lines, as_json=as_json)
    levels = {line.level for line in lines}
    raise typer.Exit(_WRONG if "FAIL" in levels or (strict and "WARN" in levels) else 0)


def report(lines: Sequence["Line"], *, as_json: bool) -> None:
    """Print lines for people, or as JSON."""
    counts = ", ".join(f"{sum(line.level == level for line in lines)} {level}" for level in ("OK", "WARN", "FAIL"))
    show([asdict(line) for line in lines], [*(line.text for line in lines), f"in all: {counts}"], as_json=as_json)
    sys.stdout.flush()


def _posture(namespace: str) -> Iterator["Line"]:
    from stacks.operations import pod_watch, posture

    yield from posture.judge(pod_watch.pods(namespace), posture.inside)


def _lines(selected: Environment, *, pre: bool, pod: bool) -> Iterator["Line"]:
    from stacks.operations import cluster_facts, examination, pod_probe, pod_watch
    from stacks.operations.examination import Line

    settings, name = selected.settings, selected.name
    yield from _files(selected, pre=pre)
    yield from examination.of_shell(selected)
    yield examination.of_store(settings)
    seen = cluster_facts.look(settings, name)
    yield from examination.of_cluster(settings, seen, dt.datetime.now(dt.UTC))
    if pod:
        places = [examination.store_address(settings), f"kubernetes.default.svc.{settings.cluster.domain}"]
        yield from pod_probe.lines(settings, name, "default" if seen.namespace is None else settings.namespace, places)
    if not pre:
        troubles = pod_watch.look(selected.name, selected.settings.namespace)
        yield from (Line("FAIL", trouble.where, trouble.problem, trouble.cure, "docs/operations.md") for trouble in troubles)
        if not troubles:
            yield Line("OK", "pods", "none is kept from starting; more: ./rag status")


def _files(selected: Environment, *, pre: bool) -> Iterator["Line"]:
    from stacks.operations.examination import Line

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
            "./rag slo init DIR, for a folder of your documents with questions.jsonl",
            "docs/own-documents.md",
        )
