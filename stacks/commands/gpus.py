"""Tell whether any node of the cluster can have the GPUs that an environment asks for; exit 1 when none can, with what each node has.

Asks the cluster that KUBECONFIG names for its nodes, and changes nothing. What other pods hold is not counted: it may be gone tomorrow,
while a product that no node has, a profile that no GPU is divided into, or a taint that is not tolerated, never changes by waiting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from components import kube_api
from components.gpu import placing_problem
from stacks import cluster
from stacks.commands import EnvironmentName, chosen
from stacks.parts import models
from stacks.problems import UnansweredError

_NONE_FITS = 1


def run(environment: EnvironmentName) -> None:
    """Look at the nodes for one environment."""
    settings = chosen(environment).settings
    wanted = {name: each.gpu.made(settings.pod_options) for name, each in models.here(settings).items() if each.gpu is not None}
    if not wanted:
        print("no model service asks for a GPU")
        return
    cluster.show(settings, environment)
    found = nodes()
    problems = {name: placing_problem(gpu, found) for name, gpu in wanted.items()}
    for name, gpu in wanted.items():
        print(f"{name}: {problems[name] or f'{gpu.count} x {gpu.resource} of {gpu.product!r}: a node has them'}")
    raise typer.Exit(_NONE_FITS if any(problems.values()) else 0)


def nodes() -> Sequence[Mapping[str, Any]]:
    """Return the nodes as the API spells them; UnansweredError where it does not answer."""
    try:
        with kube_api.opened() as api:
            return kube_api.items(client.CoreV1Api(api).list_node)
    except ApiException as error:
        words = f"the Kubernetes API answered {error.status} {error.reason} for its nodes; may you list them?"
        raise UnansweredError(words, code="cluster.unanswered") from None
    except HTTPError as error:
        words = f"the Kubernetes API does not answer ({type(error).__name__}); type: kubectl cluster-info"
        raise UnansweredError(words, code="cluster.unanswered") from None
