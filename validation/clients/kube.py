"""What only the Kubernetes API knows: where a Service really is, the documents credential, the private CA, the digests that run.

Read-only. Inside a cluster names resolve by themselves; outside, a Service's name becomes its ClusterIP, to which this machine must
have a route. A port-forward is no substitute: it would measure the tunnel.
"""

from __future__ import annotations  # the client makes a class when its name is read: 200 classes, 2 s of CPU

import base64
import ipaddress
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit, urlunsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from validation.clients.documents import Credential
from validation.clients.login import Login
from validation.judge.errors import UnreachableError, UsageError

_TIMEOUT_S = (10, 30)

Answer = TypeVar("Answer")


def connect() -> Cluster:
    """Return the cluster that KUBECONFIG (or the pod's service account) names."""
    try:
        if in_cluster():
            config.load_incluster_config()  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
        else:
            config.load_kube_config(os.environ.get("KUBECONFIG"))  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37
    except (ConfigException, OSError) as error:
        raise UsageError(f'no Kubernetes configuration ({error}); set KUBECONFIG, in the lab type: eval "$(./rag env)"') from error
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
        api_client: client.ApiClient = self._api.api_client
        return api_client

    def close(self) -> None:
        """Close the connections to the API server."""
        self._api.api_client.close()

    def address(self, url: str) -> str:
        """Return `url` with a Service's name replaced by its ClusterIP; any other address, and any inside a cluster, stays as it is."""
        parts, service = urlsplit(url), service_of(url)
        if service is None or in_cluster():
            return url
        name, namespace = service
        what = f"Service {name} in {namespace}"
        declared = self._ask(lambda: self._api.read_namespaced_service(name, namespace, _request_timeout=_TIMEOUT_S), what)
        address = declared.spec.cluster_ip if declared.spec else None
        if not address or address == "None":
            raise UsageError(f"{what} is headless: no ClusterIP to aim at; run the gate inside the cluster")
        return _at(parts, address)

    def pod_address(self, url: str) -> str:
        """Return `url` with a Service's name replaced by the address of a pod behind it; "" where none is seen."""
        name, namespace = service_of(url) or ("", "")
        pods = self._pods(namespace, label_selector=f"app.kubernetes.io/name={name},component in (proxy,standalone)") if name else []
        return next((_at(urlsplit(url), pod.status.pod_ip) for pod in pods if pod.status and pod.status.pod_ip), "")

    def credential(self, namespace: str, name: str) -> Credential:
        """Return the access key pair in a Secret with `access_key` and `secret_key`."""
        access_key, secret_key = self._secret(namespace, name, "access_key", "secret_key")
        return Credential(access_key=access_key, secret_key=secret_key)

    def login(self, namespace: str, name: str) -> Login:
        """Return user and password in a Secret with `username` and `password`, as they are now."""
        user, password = self._secret(namespace, name, "username", "password")
        return Login(user=user, password=password)

    def api_key(self, namespace: str, name: str) -> str:
        """Return the API key in a Secret with `api_key`, as it is now."""
        external = f"; of a service of the stack: pulumi up, of an external one: kubectl -n {namespace} create secret generic {name} "
        return self._secret(namespace, name, "api_key", cure=f"{external}--from-file=api_key=FILE")[0].strip()

    def _secret(self, namespace: str, name: str, *keys: str, cure: str = "; deploy again: pulumi up") -> list[str]:
        """Return what a Secret holds under `keys`; UsageError where one is missing."""
        what = f"Secret {name} in {namespace}"
        data = self._ask(lambda: self._api.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT_S), what).data or {}
        if missing := [key for key in keys if not data.get(key)]:
            raise UsageError(f"{what} has no {' and no '.join(missing)}{cure}")
        return [base64.b64decode(data[key]).decode("utf-8") for key in keys]

    def certificate_authority(self, namespace: str, name: str) -> str:
        """Return the PEM text under `ca.crt` in a ConfigMap."""
        what = f"ConfigMap {name} in {namespace}"
        config_map = self._ask(lambda: self._api.read_namespaced_config_map(name, namespace, _request_timeout=_TIMEOUT_S), what)
        pem = (config_map.data or {}).get("ca.crt", "")
        if "BEGIN CERTIFICATE" not in pem:
            raise UsageError(f"{what} holds no certificate under ca.crt; deploy again: pulumi up")
        return str(pem)

    def running_images(self, namespace: str) -> list[dict[str, str]]:
        """Return every container of every pod in the namespace, with the digest that its node reports."""
        return [
            {"pod": _name(pod), "container": container.name, "image": container.image, "digest": container.image_id}
            for pod in self._pods(namespace)
            for container in (pod.status.container_statuses if pod.status else None) or []
        ]

    def last_words(self, url: str) -> str:
        """Return the last log lines of the pods behind a Service that are not ready, one line each; "" where there are none."""
        if (service := service_of(url)) is None:
            return ""
        silent = list[str]()
        for pod in self._pods(service[1], label_selector=f"app.kubernetes.io/name={service[0]}"):
            conditions = (pod.status.conditions if pod.status else None) or []
            if not any(condition.type == "Ready" and condition.status == "True" for condition in conditions):
                silent.append(f"pod {_name(pod)} said last: {self._log(pod)}")
        return "; ".join(silent)

    def _pods(self, namespace: str, **options: Any) -> list[client.V1Pod]:  # noqa: ANN401 - as the client takes them
        options["_request_timeout"] = _TIMEOUT_S
        return self._ask(lambda: self._api.list_namespaced_pod(namespace, **options).items, f"pods in {namespace}")

    def _log(self, pod: client.V1Pod) -> str:
        """Return the last lines of the container that the pod waits for; of its run before where the present one logged nothing yet."""
        namespace = (pod.metadata.namespace if pod.metadata else None) or ""
        starting = (pod.status.init_container_statuses if pod.status else None) or []
        running = (pod.status.container_statuses if pod.status else None) or []
        names = [each.name for each in starting if not (each.state and each.state.terminated and each.state.terminated.exit_code == 0)]
        names += [each.name for each in running]
        options: dict[str, Any] = {"container": next(iter(names), None), "tail_lines": 5, "_request_timeout": _TIMEOUT_S}
        for previous in (False, True):
            try:
                log = self._api.read_namespaced_pod_log(_name(pod), namespace, previous=previous, **options)
            except (ApiException, HTTPError):
                continue
            if log.strip():
                return " | ".join(line.strip() for line in log.splitlines() if line.strip())
        return "nothing yet; see why: kubectl describe pod"

    def _ask(self, question: Callable[[], Answer], what: str) -> Answer:
        try:
            return question()
        except ApiException as error:
            raise UsageError.of("kube.refused", status=error.status, reason=error.reason, what=what) from None
        except HTTPError as error:
            raise UnreachableError.of("kube.silent", host=self._api.api_client.configuration.host, why=type(error).__name__) from None


class Mounted(Cluster):
    """Secrets and authorities from files, for a service that needs no token of the Kubernetes API: `folder` holds NAME/KEY of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def close(self) -> None:
        """Close nothing: there is no connection."""

    def address(self, url: str) -> str:
        """Return `url`: names of Services resolve in a pod."""
        return url

    def certificate_authority(self, namespace: str, name: str) -> str:
        """Return the PEM text under `ca.crt` in the folder of a ConfigMap."""
        return self._secret(namespace, name, "ca.crt")[0]

    def _pods(self, namespace: str, **options: Any) -> list[client.V1Pod]:  # noqa: ANN401, ARG002 - as above
        """Return nothing: only the Kubernetes API knows."""
        return []

    def _secret(self, _namespace: str, name: str, *keys: str, cure: str = "; deploy again: pulumi up") -> list[str]:
        try:
            return [(self._folder / name / key).read_text(encoding="utf-8") for key in keys]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self._folder / name}: cannot be read ({error}){cure}") from None


def _at(url: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(url._replace(netloc=f"{host}:{url.port}" if url.port else host))


def _name(pod: client.V1Pod) -> str:
    return (pod.metadata.name if pod.metadata else None) or "?"


def bypass_proxies(urls: Iterable[str]) -> None:
    """Add the private addresses among `urls` to NO_PROXY of this process, which gRPC, httpx and boto3 obey; no proxy knows a ClusterIP."""
    hosts = set[str]()
    for url, host in ((url, urlsplit(url).hostname or "") for url in urls):
        with suppress(ValueError):  # other names than those of Services are not private addresses
            if host == "localhost" or service_of(url) is not None or ipaddress.ip_address(host).is_private:
                hosts.add(host)
    for variable in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, *sorted(hosts)]))


def service_of(url: str) -> tuple[str, str] | None:
    """Return (service, namespace) of an address NAME.NAMESPACE.svc, with or without the domain of the cluster, else None."""
    name, _, rest = (urlsplit(url).hostname or "").partition(".")
    namespace, _, rest = rest.partition(".")
    return (name, namespace) if name and namespace and rest.partition(".")[0] == "svc" else None
