"""What only the Kubernetes API knows: where a Service really is, the documents credential, the private CA, the digests that run.

Read-only. Inside a cluster names resolve by themselves; outside, a Service's name becomes its ClusterIP, to which this machine must
have a route. A port-forward is no substitute: it would measure the tunnel.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from validation.clients.documents import Credential
from validation.clients.milvus_login import Login
from validation.clients.network import service_of
from validation.judge.errors import UnreachableError, UsageError

_TIMEOUT_S = (10, 30)
_LAST_LINES = 5
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class RunningImage:
    """One container that runs, and the image it really runs."""

    pod: str
    container: str
    image: str
    digest: str


def connect() -> "Cluster":
    """Return the cluster that KUBECONFIG (or the pod's service account) names."""
    try:
        if in_cluster():
            config.load_incluster_config()  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
        else:
            config.load_kube_config(os.environ.get("KUBECONFIG"))  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
    except (ConfigException, OSError) as error:
        raise UsageError(f'no Kubernetes configuration ({error}); set KUBECONFIG, in the lab type: eval "$(make -s env)"') from error
    return Cluster(client.CoreV1Api())


def in_cluster() -> bool:
    """Whether the gate itself runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


class Cluster:
    """The few questions that the gate asks."""

    def __init__(self, api: client.CoreV1Api) -> None:
        self._api = api

    @property
    def api_client(self) -> client.ApiClient:
        """The connection itself, for the few things that the gate makes."""
        found: client.ApiClient = self._api.api_client
        return found

    def close(self) -> None:
        """Close the connections to the API server."""
        self._api.api_client.close()

    def address(self, url: str) -> str:
        """Return `url` with a Service's name replaced by its ClusterIP; any other address, and any inside a cluster, stays as it is."""
        parts = urlsplit(url)
        service = service_of(url)
        if service is None or in_cluster():
            return url
        name, namespace = service
        found = self._ask(
            lambda: self._api.read_namespaced_service(name, namespace, _request_timeout=_TIMEOUT_S), f"Service {name} in {namespace}"
        )
        address = found.spec.cluster_ip if found.spec else None
        if not address or address == "None":
            raise UsageError(f"Service {name} in {namespace} is headless: no ClusterIP to aim at; run the gate inside the cluster")
        host = f"[{address}]" if ":" in address else address
        return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))

    def credential(self, namespace: str, name: str) -> Credential:
        """Return the access key pair in a Secret with `access_key` and `secret_key`."""
        access_key, secret_key = self._texts(namespace, name, "access_key", "secret_key")
        return Credential(access_key=access_key, secret_key=secret_key)

    def login(self, namespace: str, name: str) -> Login:
        """Return user and password in a Secret with `username` and `password`, as they are now."""
        user, password = self._texts(namespace, name, "username", "password")
        return Login(user=user, password=password)

    def _texts(self, namespace: str, name: str, *keys: str) -> list[str]:
        """Return what a Secret holds under `keys`; UsageError where one is missing."""
        what = f"Secret {name} in {namespace}"
        found = self._ask(lambda: self._api.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT_S), what)
        data = found.data or {}
        missing = [key for key in keys if not data.get(key)]
        if missing:
            raise UsageError(f"{what} has no {' and no '.join(missing)}; deploy again: pulumi up")
        return [base64.b64decode(data[key]).decode("utf-8") for key in keys]

    def api_key(self, namespace: str, name: str) -> str:
        """Return the API key in a Secret with `api_key`, as it is now."""
        what = f"Secret {name} in {namespace}"
        found = self._ask(lambda: self._api.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT_S), what)
        value = (found.data or {}).get("api_key", "")
        if not value:
            raise UsageError(
                f"{what} has no api_key; of a service of the stack: pulumi up, of an external one: "
                f"kubectl -n {namespace} create secret generic {name} --from-file=api_key=FILE"
            )
        return base64.b64decode(value).decode("utf-8").strip()

    def last_words(self, url: str) -> str:
        """Return what the pods behind a Service that are not ready said last, one line each; "" where there is nothing to tell."""
        service = service_of(url)
        if service is None:
            return ""
        name, namespace = service
        selector = f"app.kubernetes.io/name={name}"
        pods = self._ask(
            lambda: self._api.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=_TIMEOUT_S), f"pods in {namespace}"
        )
        return "; ".join(f"pod {_name(pod)} said last: {self._log(pod)}" for pod in pods.items if not _is_ready(pod))

    def _log(self, pod: client.V1Pod) -> str:
        """Last lines of the container that it waits for; those of the run before where the present one has not said anything yet."""
        namespace, container = (pod.metadata.namespace if pod.metadata else None) or "", _waited_for(pod)
        for previous in (False, True):
            try:
                said = self._api.read_namespaced_pod_log(
                    _name(pod), namespace, container=container, tail_lines=_LAST_LINES, previous=previous, _request_timeout=_TIMEOUT_S
                )
            except (ApiException, HTTPError):
                continue
            if said.strip():
                return " | ".join(line.strip() for line in said.splitlines() if line.strip())
        return "nothing yet; see why: kubectl describe pod"

    def certificate_authority(self, namespace: str, name: str) -> str:
        """Return the PEM text under `ca.crt` in a ConfigMap."""
        what = f"ConfigMap {name} in {namespace}"
        found = self._ask(lambda: self._api.read_namespaced_config_map(name, namespace, _request_timeout=_TIMEOUT_S), what)
        pem = (found.data or {}).get("ca.crt", "")
        if "BEGIN CERTIFICATE" not in pem:
            raise UsageError(f"{what} holds no certificate under ca.crt; deploy again: pulumi up")
        return str(pem)

    def running_images(self, namespace: str) -> list[RunningImage]:
        """Return every container of every pod in the namespace, with the digest that its node reports."""
        pods = self._ask(lambda: self._api.list_namespaced_pod(namespace, _request_timeout=_TIMEOUT_S), f"pods in {namespace}")
        return [image for pod in pods.items for image in _images(pod)]

    def _ask(self, question: Callable[[], _Found], what: str) -> _Found:
        try:
            return question()
        except ApiException as error:
            raise UsageError(
                f"the Kubernetes API answered {error.status} {error.reason} for {what}; is the stack deployed in this cluster?"
            ) from None
        except HTTPError as error:
            host = self._api.api_client.configuration.host
            raise UnreachableError(
                f"the Kubernetes API at {host} does not answer ({type(error).__name__}); type: kubectl cluster-info"
            ) from None


def _images(pod: client.V1Pod) -> list[RunningImage]:
    statuses = (pod.status.container_statuses if pod.status else None) or []
    return [RunningImage(pod=_name(pod), container=one.name, image=one.image, digest=one.image_id) for one in statuses]


def _name(pod: client.V1Pod) -> str:
    return (pod.metadata.name if pod.metadata else None) or "?"


def _waited_for(pod: client.V1Pod) -> str | None:
    """Name of the init container that has not succeeded yet, else of the first container; None where nothing is known."""
    starting = (pod.status.init_container_statuses if pod.status else None) or []
    running = (pod.status.container_statuses if pod.status else None) or []
    unfinished = [one.name for one in starting if not (one.state and one.state.terminated and one.state.terminated.exit_code == 0)]
    return next(iter([*unfinished, *(one.name for one in running)]), None)


def _is_ready(pod: client.V1Pod) -> bool:
    conditions = (pod.status.conditions if pod.status else None) or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)
