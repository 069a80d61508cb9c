"""The Kubernetes API of the kubeconfig's current context, for what Pulumi's own provider does not do; closed with its connections.

Chooses the context as kubectl, Helm and Pulumi's provider do. The Python client by itself chooses otherwise where KUBECONFIG names several
files (the last current context instead of the first), and would speak to another cluster than they.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION
from urllib3.exceptions import HTTPError

from components.dynamic_provider import ProviderError

NOT_FOUND, FORBIDDEN = 404, 403
TIMEOUT_S = 30


class ClusterError(ProviderError):
    """The cluster does not answer, or does not have what is needed."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where every command of this shell goes."""

    context: str
    server: str


def current() -> Cluster:
    """Return the cluster of the current context; ConfigException where there is no kubeconfig, or none that names one."""
    paths = os.environ.get("KUBECONFIG") or KUBE_CONFIG_DEFAULT_LOCATION
    try:
        places = [Path(part).expanduser() for part in paths.split(os.pathsep) if part]
        files = [yaml.safe_load(path.read_text(encoding="utf-8")) or {} for path in places if path.is_file()]
        context = next((str(file["current-context"]) for file in files if file.get("current-context")), "")
        cluster = _named(files, "context", context).get("cluster", "")
        server = str(_named(files, "cluster", cluster).get("server", ""))
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ConfigException(f"{paths} is no kubeconfig: {error}") from None
    if not server:
        raise ConfigException(f"{paths} is not there, or names no current context with a server")
    return Cluster(context=context, server=server)


def _named(files: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next((entry[kind] for file in files for entry in file.get(f"{kind}s") or [] if entry["name"] == name), {})


def load() -> None:
    """Choose the cluster; ConfigException where there is no kubeconfig."""
    # both named aloud: the client reads the variable once, when it is imported, and prefers another context
    config.load_kube_config(os.environ.get("KUBECONFIG"), context=current().context)  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37


@contextmanager
def opened() -> Iterator["client.ApiClient"]:
    """Open it as whoever runs the command; ConfigException where there is no kubeconfig."""
    load()
    with client.ApiClient() as api:
        try:
            yield api
        finally:
            api.rest_client.pool_manager.clear()


@contextmanager
def core() -> Iterator["client.CoreV1Api"]:
    """Open it as whoever runs Pulumi; ClusterError where there is no kubeconfig, or nobody answers."""
    try:
        with opened() as api:
            yield client.CoreV1Api(api)
    except (ConfigException, HTTPError) as error:
        raise ClusterError.by_code("cluster.unreachable", error=error) from None


def find_secret(api: "client.CoreV1Api", namespace: str, name: str) -> dict[str, str] | None:
    """Return the texts of a Secret by their keys, None where there is no such Secret; ClusterError where it cannot be read.

    One line end at the end of a text is no part of it: `echo KEY >file` puts it there.
    """
    try:
        data = api.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT_S).data or {}
    except client.ApiException as error:
        if error.status == NOT_FOUND:
            return None
        if error.status == FORBIDDEN:
            raise ClusterError.by_code("cluster.secret_forbidden", namespace=namespace, name=name) from None
        raise ClusterError.by_code("cluster.secret_unreadable", namespace=namespace, name=name, status=error.status) from None
    return {key: base64.b64decode(value).decode(errors="replace").removesuffix("\n").removesuffix("\r") for key, value in data.items()}


def require_secret(api: "client.CoreV1Api", namespace: str, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the texts under `keys`; ClusterError that says what is missing, or cannot be meant, and how to make it."""
    texts = find_secret(api, namespace, name)
    # from files: a key in an argument would be in the shell's history
    cure = f"Cure: kubectl -n {namespace} create secret generic {name} " + " ".join(f"--from-file={key}" for key in keys)
    if texts is None:
        raise ClusterError.by_code("cluster.secret_missing", namespace=namespace, name=name, cure=cure)
    missing, there = " and no ".join(key for key in keys if not texts.get(key)), ", ".join(sorted(texts)) or "nothing"
    if missing:
        raise ClusterError.by_code("cluster.secret_incomplete", namespace=namespace, name=name, missing=missing, there=there, cure=cure)
    spaced = " and in ".join(key for key in keys if any(character.isspace() for character in texts[key]))
    if spaced:
        raise ClusterError.by_code("cluster.secret_spaces", namespace=namespace, name=name, spaced=spaced, cure=cure)
    return {key: texts[key] for key in keys}


def answer(call: Callable[..., Any], *arguments: str, **options: Any) -> bytes:  # noqa: ANN401  as the call takes them
    """Return what the API answers, as it spells it."""
    body: bytes = call(*arguments, _preload_content=False, _request_timeout=TIMEOUT_S, **options).data
    return body


def items(call: Callable[..., Any], *arguments: str, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401  as above
    """Return the objects of a list, as the API spells them."""
    objects: list[dict[str, Any]] = json.loads(answer(call, *arguments, **options))["items"]
    return objects
