"""The preflight in a pod: the store seen from inside the cluster, as Milvus will see it, before Milvus is there.

Owns the template of the pod, for rules, quota and network policies to see, and one run of it as a Job; the policies let it, as part
`suite`, out to the store. It takes the very Secret, CA and endpoint that Milvus is given. The Job's name carries a hash of all that it
does: whatever changes for Milvus (key, CA, bucket, image) is a new Job, and what has not changed is not asked again.

A verdict is final; a store that does not answer is asked twice more, since the network of a new pod may be a moment late. Red raises, so
nothing that depends on it is made, and the next `pulumi up` asks again. Not Pulumi's Job, since that waits until the whole pod has ended: a
container that a service mesh injects and that never ends would turn every verdict into a deadline; it is removed with the Job.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.config.config_exception import ConfigException
from pulumi import dynamic
from tenacity import wait_fixed
from urllib3.exceptions import HTTPError

from components import kube_api, pods
from components.component import CA_KEY, Component, PodArgs, pod_of
from components.dynamic_provider import DynamicResource, Provider, inputs_of
from components.flows import SUITE
from components.milvus_values import CA_ANNOTATION, CREDENTIAL_ANNOTATION, SERVICE_NAME, MilvusStore
from components.pods import Resources
from components.waiting import until

CONTAINER = "preflight"
_LABELS = {**SUITE.labels, **pods.PART_OF}
_CREDENTIAL, _TRUST = "/run/credential", "/run/object-store-ca"
_QUICK = Resources(cpu_cores=0.1, memory_gib=0.5)
_MEASURING = Resources(cpu_cores=0.5, memory_gib=4)  # 32 objects of 64 MiB at a time are 2 GiB
_TRIES = 3
_LIMIT_S = 600
_EVERY = wait_fixed(1)
_GONE_S = 60
_TIMEOUT_S = (10, 30)
_VERDICTS = {1, 2, 3}  # exit codes of the suite that another try does not change: red, wrong usage, proves nothing. 4 is: does not answer
_FINAL = {"action": "FailJob", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": sorted(_VERDICTS)}}
_HOPELESS = {"ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
"""Reasons of a container that waits for what nobody but the operator can bring."""
_LAST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class PreflightArgs(PodArgs):
    """What to look at, and with what: the suite's account and its image."""

    store: MilvusStore
    other_bucket: pulumi.Input[str]  # a bucket that Milvus's key must not open: the documents'
    wal: str  # Milvus's write-ahead log, which decides what the store must be able to do
    performance: bool  # measure latency and throughput too: minutes instead of seconds
    schedule: str | None = None  # when the store is asked again, as cron has it


class PreflightError(Exception):
    """The store did not pass, or could not be looked at; the message is for the operator."""


class PreflightRunProvider(Provider):
    """Inputs: `namespace`, `template` (name of the PodTemplate), `job` (name of the Job, which changes with whatever is asked)."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Ask the store."""
        inputs = inputs_of(props)
        with _explained(inputs), kube_api.core() as core:
            run(core, inputs["namespace"], inputs["template"], inputs["job"])
        return dynamic.CreateResult(inputs["job"], inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Ask again, since something else is asked; the Job of before goes."""
        inputs = inputs_of(_news)
        if inputs["job"] == _olds["job"]:  # only the path of this class in the state is another one
            return dynamic.UpdateResult(inputs)
        self.create(inputs)
        self.delete(_id, _olds)
        return dynamic.UpdateResult(inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the Job, if it is still there."""
        with _explained(_props), kube_api.core() as core:
            _remove(client.BatchV1Api(core.api_client), _props["namespace"], _props["job"])


class PreflightRun(DynamicResource, module="preflight", name="Run"):
    """One run."""


class Preflight(Component):
    """The preflight; whatever depends on it is not made unless the store passed."""

    job_name: pulumi.Output[str]  # name of the Job, for `kubectl logs job/NAME`

    def __init__(self, name: str, args: PreflightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        template = pod_template(args)
        digest = pulumi.Output.json_dumps(template, sort_keys=True).apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:10])
        self.job_name = pulumi.Output.format("{0}-{1}", name, digest)
        metadata: Any = {"name": CONTAINER, "namespace": args.namespace, "labels": _LABELS}
        made = k8s.core.v1.PodTemplate(f"{name}-template", metadata=metadata, template=template, opts=self._own)
        inputs = {"namespace": args.namespace, "template": made.metadata["name"], "job": self.job_name}
        PreflightRun(PreflightRunProvider(), f"{name}-run", inputs, self._own)
        if args.schedule is not None:
            tries = {"backoffLimit": _TRIES - 1, "activeDeadlineSeconds": _LIMIT_S, "podFailurePolicy": {"rules": [_FINAL]}}
            self._make_cron_job(f"{name}-cron-job", metadata, args.schedule, {**tries, "template": template})
        self.register_outputs({"job_name": self.job_name})


def needs(*, performance: bool) -> Resources:
    """What the pod takes while it runs."""
    return _MEASURING if performance else _QUICK


def pod_template(args: PreflightArgs) -> Any:  # noqa: ANN401  plain data in a typed API
    """The pod. It is marked with what the credential's and the CA's contents are, so that a new content is a new Job."""
    store = args.store
    annotations = {CREDENTIAL_ANNOTATION: store.credential_generation, CA_ANNOTATION: store.ca_sha256}
    sources: dict[str, tuple[str, dict[str, Any]]] = {
        "credential": (_CREDENTIAL, {"secret": {"secretName": store.secret_name, "defaultMode": 0o440}})
    }
    options: dict[str, pulumi.Input[str]] = {
        "--endpoint": store.endpoint,
        "--region": store.region,
        "--bucket": store.bucket,
        "--root-path": store.root_path,
        "--credential-dir": _CREDENTIAL,
        "--other-bucket": args.other_bucket,
        "--wal": args.wal,
        # once this name resolves, what is below the root path is this Milvus's own
        "--milvus-uri": pulumi.Output.format("http://{0}.{1}.svc.{2}", SERVICE_NAME, args.namespace, args.cluster_domain),
        "--out": "/tmp/report",  # noqa: S108  a path in the container
    }
    if store.ca_sha256:
        sources["object-store-ca"] = (_TRUST, {"configMap": {"name": store.ca_config_map}})
        options["--ca-file"] = f"{_TRUST}/{CA_KEY}"
    command = ["preflight", *(part for option in options.items() for part in option), *(() if args.performance else ("--no-performance",))]
    container = {"name": CONTAINER, "args": command, "terminationMessagePolicy": "FallbackToLogsOnError"}
    spec = pod_of(args, container, needs(performance=args.performance), sources, restartPolicy="Never")
    return {"metadata": args.options.metadata(_LABELS, annotations, job=True), "spec": spec}


def run(core: "client.CoreV1Api", namespace: str, template: str, job: str) -> None:
    """Return once the store has passed; PreflightError otherwise."""
    batch = client.BatchV1Api(core.api_client)
    pod = json.loads(kube_api.answer(core.read_namespaced_pod_template, template, namespace))["template"]
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": _LIMIT_S, "template": pod}
    body: Any = {"metadata": {"name": job, "labels": pod["metadata"]["labels"]}, "spec": spec}
    for _ in range(_TRIES):
        _remove(batch, namespace, job)
        made = json.loads(kube_api.answer(batch.create_namespaced_job, namespace, body))
        code, ended = _verdict(core, made["metadata"])
        if code in {0, *_VERDICTS}:
            break
    if code:
        pod, words = ended["metadata"]["name"], ""
        with suppress(ApiException):
            words = core.read_namespaced_pod_log(pod, namespace, container=CONTAINER, tail_lines=_LAST_LINES, _request_timeout=_TIMEOUT_S)
        raise PreflightError(f"exit code {code}; its last words:\n{words}")
    if any("running" in each["state"] for each in ended["status"]["containerStatuses"]):
        batch.delete_namespaced_job(job, namespace, propagation_policy="Background", _request_timeout=_TIMEOUT_S)


def _verdict(core: "client.CoreV1Api", job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Exit code of the preflight's own container, and its pod: by the Job's uid, since a pod of an older Job of that name may linger."""
    namespace, selector = job["namespace"], f"batch.kubernetes.io/controller-uid={job['uid']}"
    waits_for = f"no pod was made: kubectl -n {namespace} describe job {job['name']}"

    def look() -> tuple[int, dict[str, Any]] | None:
        nonlocal waits_for
        for pod in kube_api.items(core.list_namespaced_pod, namespace, label_selector=selector):
            statuses = pod["status"].get("containerStatuses", [])
            state: dict[str, Any] = next((each.get("state", {}) for each in statuses if each["name"] == CONTAINER), {})
            if "terminated" in state:
                return int(state["terminated"]["exitCode"]), pod
            waits_for = _waits_for(pod, state.get("waiting", {}))
        return None

    return until(look, timeout_s=_LIMIT_S, wait=_EVERY, late=lambda: PreflightError(f"no verdict within {_LIMIT_S} s: {waits_for}"))


def _waits_for(pod: dict[str, Any], waiting: dict[str, str]) -> str:
    name, status = pod["metadata"]["name"], pod["status"]
    if status.get("phase") == "Failed":
        raise PreflightError(f"its pod {name} failed: {status.get('reason', '')} {status.get('message', '')}")
    if waiting.get("reason") in _HOPELESS:
        raise PreflightError(f"its pod {name} cannot start: {waiting['reason']}: {waiting.get('message', '')}")
    unplaced = [each["message"] for each in status.get("conditions", []) if each["type"] == "PodScheduled" and each["status"] == "False"]
    return f"its pod {name} has no node: {unplaced[0]}" if unplaced else f"its pod {name} is {status.get('phase')}"


def _remove(batch: "client.BatchV1Api", namespace: str, job: str) -> None:

    def delete() -> bool | None:
        try:
            batch.delete_namespaced_job(job, namespace, propagation_policy="Foreground", _request_timeout=_TIMEOUT_S)
        except ApiException as error:
            if error.status == kube_api.NOT_FOUND:
                return True
            raise
        return None

    late = f"the Job of before does not go away within {_GONE_S} s: kubectl -n {namespace} delete job {job}"
    until(delete, timeout_s=_GONE_S, wait=_EVERY, late=lambda: PreflightError(late))


@contextmanager
def _explained(inputs: dict[str, Any]) -> Iterator[None]:
    """Say in every message which Job it is about, and what to type."""
    namespace, job = inputs["namespace"], inputs["job"]
    cure = f"Cure: mend that, then `pulumi up` again; all it said: kubectl -n {namespace} logs job/{job} -c {CONTAINER}"
    try:
        yield
    except PreflightError as error:
        raise PreflightError(f"the preflight {job} did not pass: {error}\n{cure}") from None
    except ApiException as error:
        raise PreflightError(f"the preflight {job}: the Kubernetes API answers {error.status} ({error.reason}): {error.body}") from None
    except (ConfigException, HTTPError, OSError) as error:
        raise PreflightError(f"the preflight {job}: {error}. Cure: does `kubectl get namespaces` work in this shell?") from None
