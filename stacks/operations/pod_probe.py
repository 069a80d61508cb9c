"""Names and connections as a pod sees them: a Job of one short-lived pod asks, and is removed, also on Ctrl-C.

It runs in the environment's namespace, under its network policies, or in `default` while there is none; killed, it is removed by the
cluster after a minute.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from kubernetes import client

from components import kube_api, pods
from components.flows import SUITE
from components.pods import Resources
from components.waiting import until
from stacks.operations import cluster, pod_watch
from stacks.problems import Line, line_of
from stacks.settings import Settings

_ASK = """
import json, socket, sys
def ask(place):
    host, _, port = place.partition(" ")
    try:
        socket.create_connection((host, int(port)), 5).close() if port else socket.getaddrinfo(host, None)
    except OSError as error:
        asked = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
        return f"{type(error).__name__}: {error}" + (f" (asked: {', '.join(asked)})" if isinstance(error, socket.gaierror) else "")
    return ""
print(json.dumps({place: ask(place) for place in sys.argv[1:]}))
"""
_LONGEST_S, _KEPT_S, _LASTS_S = 90, 60, 30
_NEEDS = Resources(cpu_cores=0.05, memory_gib=0.125)


def lines(settings: Settings, environment: str, namespace: str, places: Sequence[str]) -> list[Line]:
    """Ask for `places` ("HOST PORT", or "HOST" for its name alone) from a pod, and judge the answers."""
    if settings.images.suite is None:
        return [line_of("pod_not_asked")]
    name = f"check-{secrets.token_hex(3)}"
    with cluster.api("nothing can be asked from a pod", "./rag check with --no-pod leaves it out") as api:
        batch = client.BatchV1Api(api)
        try:
            batch.create_namespaced_job(namespace, _job(settings, name, namespace, places), _request_timeout=kube_api.TIMEOUT_S)
            return until(partial(_answer, client.CoreV1Api(api), environment, namespace, name, {}), timeout_s=_LONGEST_S)
        except TimeoutError:
            return [line_of("pod_late", namespace=namespace, limit_s=_LONGEST_S)]
        finally:
            try:
                batch.delete_namespaced_job(name, namespace, propagation_policy="Background", _request_timeout=kube_api.TIMEOUT_S)
            except client.ApiException as error:
                if error.status != kube_api.NOT_FOUND:
                    raise


def judge(answers: Mapping[str, str], namespace: str) -> Iterator[Line]:
    """Judge what was answered: by place, what went wrong, "" for nothing."""
    for place, problem in answers.items():
        row = "name_unknown" if problem.startswith("gaierror") else "way_closed" if problem else "way" if " " in place else "name"
        yield line_of(row, namespace=namespace, where=place.replace(" ", ":"), problem=problem)


def _job(settings: Settings, name: str, namespace: str, places: Sequence[str]) -> Any:  # noqa: ANN401  plain data in a typed API
    options, labels = settings.pod_options, {**SUITE.labels, **pods.PART_OF}
    secrets_ = [{"name": each} for each in options.pull_secrets if namespace == settings.namespace]
    container = {
        "name": "check",
        "image": settings.images.suite,
        "command": ["/bin/sh", "-c", 'exec "$(command -v python3 || command -v python3.11)" "$@"', "-", "-c", _ASK, *places],
        "resources": _NEEDS.manifest(),
    }
    spec = pods.pod("default", options, container, [], restartPolicy="Never", imagePullSecrets=secrets_)
    job = {"backoffLimit": 0, "activeDeadlineSeconds": _LONGEST_S, "ttlSecondsAfterFinished": _KEPT_S}
    return {"metadata": {"name": name}, "spec": {**job, "template": {"metadata": options.metadata(labels, job=True), "spec": spec}}}


def _answer(core: client.CoreV1Api, environment: str, namespace: str, name: str, since: dict[str, float]) -> list[Line] | None:
    for pod in kube_api.items(core.list_namespaced_pod, namespace, label_selector=f"job-name={name}"):
        if pod["status"].get("phase") == "Succeeded":
            log = kube_api.answer(core.read_namespaced_pod_log, pod["metadata"]["name"], namespace, container="check")
            return list(judge(json.loads(log.splitlines()[-1]), namespace))
    for trouble in pod_watch.look(environment, namespace):
        # what mends itself, such as a sandbox that is made at the second try, is no answer
        if name in trouble.where and time.monotonic() - since.setdefault(trouble.code, time.monotonic()) >= _LASTS_S:
            return [Line("FAIL", "from a pod", f"{trouble.where}: {trouble.problem}", trouble.cure, "docs/operations.md")]
    return None
