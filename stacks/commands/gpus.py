"""Tell whether any node of the cluster can have the GPUs that an environment asks for; exit 1 when none can, with what each node has.

Asks the cluster that KUBECONFIG names for its nodes, and changes nothing. What other pods hold is not counted: it may be gone tomorrow,
while a product that no node has, a profile that no GPU is divided into, or a taint that is not tolerated, never changes by waiting.

For example:

    ./rag gpus prod
"""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from stacks.commands import EnvironmentName, Json, select, show

_NONE_FITS = 1


def run(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Look at the nodes for one environment."""
    settings = select(environment).settings
    from components.gpu import placing_problem
    from stacks.operations import cluster
    from stacks.wiring import models

    gpus = {name: each.gpu.to_args(settings.pod_options) for name, each in models.here(settings).items() if each.gpu is not None}
    if not gpus:
        show({}, ["no model service asks for a GPU"], as_json=as_json)
        return
    cluster.show(settings, environment)
    there = nodes()
    problems = {name: placing_problem(gpu, there) for name, gpu in gpus.items()}
    seen = {name: problems[name] or f"{gpu.count} x {gpu.resource} of {gpu.product!r}: a node has them" for name, gpu in gpus.items()}
    data = {name: {"fits": not problems[name], "seen": text} for name, text in seen.items()}
    show(data, [f"{name}: {text}" for name, text in seen.items()], as_json=as_json)
    raise typer.Exit(_NONE_FITS if any(problems.values()) else 0)


def nodes() -> Sequence[Mapping[str, Any]]:
    """Return the nodes as the API spells them; UnansweredError where it does not answer."""
    from kubernetes import client

    from components import kube_api
    from stacks.operations import cluster

    with cluster.api("the nodes cannot be listed", "may you list them? kubectl get nodes") as api:
        return kube_api.items(client.CoreV1Api(api).list_node)
