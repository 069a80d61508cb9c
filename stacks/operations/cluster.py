"""The cluster of an environment: shown by every command that speaks to one, refused where it is another one, and what it answers."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components import kube_api
from components.kube_api import Cluster
from stacks.problems import PROJECT, UnansweredError, failure
from stacks.settings import Settings

_PULUMI = "pulumi"  # how its names as a manager of fields begin
_RBAC = Path(__file__).parent.parent.parent / "docs" / "rbac.yaml"
_TLS = {"proxy_secret", "internal_secret", "certificate_secret"}
_PROMETHEUSES = ("monitoring.coreos.com", "v1", "prometheuses")
_STORE_KEYS = ("access_key", "secret_key")
_KEYS = {"milvus_secret": _STORE_KEYS, "documents_secret": _STORE_KEYS, "secret": _STORE_KEYS, "pull_secrets": (".dockerconfigjson",)}


@contextmanager
def api(what: str, cure: str) -> Iterator[client.ApiClient]:
    """Open the API of the current context; UnansweredError that says what cannot be done where it does not answer."""
    try:
        with kube_api.opened() as opened:
            yield opened
    except (ApiException, HTTPError, ConfigException, OSError) as error:
        answered = f"does not answer ({type(error).__name__})"
        if isinstance(error, ApiException):
            answered = f"answered {error.status} {error.reason}"
        raise UnansweredError(f"{what}: the Kubernetes API {answered}; {cure}", code="cluster.unanswered") from None


def require(settings: Settings, environment: str) -> Cluster:
    """Return the cluster that this shell speaks to; SettingsError without a kubeconfig, and for another context than the environment's."""
    try:
        here = kube_api.current()
    except (ConfigException, OSError) as error:
        raise failure("kubeconfig", error=error) from None
    context = settings.cluster.context
    if context is not None and here.context != context:
        raise failure("cluster_of_another", environment=environment, context=context, here=here)
    return here


def show(settings: Settings, environment: str) -> Cluster:
    """Require the cluster of an environment, and print it on standard error."""
    here = require(settings, environment)
    pin = f"pulumi config set --stack {environment} --path {PROJECT}:cluster.context {here.context}"
    hint = "" if settings.cluster.context is not None else f"; to refuse any other for {environment!r}: {pin}"
    print(f"cluster: context {here.context!r}, API server {here.server}{hint}", file=sys.stderr, flush=True)
    return here


def require_same_provider(settings: Settings, environment: str, context: str | None, others: str | None) -> None:
    """Refuse options of Pulumi's Kubernetes provider by which it alone, not Helm or kubectl, leaves the kubeconfig; SettingsError."""
    here = require(settings, environment)
    key = "kubernetes:context" if context not in {None, here.context} else "kubernetes:kubeconfig" if others else ""
    if key:
        raise failure("cluster_of_provider", key=key, here=here)


def require_own_namespace(settings: Settings, environment: str, *, may_take_over: bool) -> None:
    """Refuse a namespace that is there and was not made by Pulumi, unless it is meant; SettingsError."""
    try:  # Pulumi's plugin takes over what exists (before 4.29); what cannot be looked at is left to it
        with kube_api.opened() as opened:
            metadata = json.loads(kube_api.answer(client.CoreV1Api(opened).read_namespace, settings.namespace))["metadata"]
    except (ApiException, HTTPError):
        return
    managers = [str(entry.get("manager")) for entry in metadata.get("managedFields", ())]
    if not may_take_over and not any(manager.startswith(_PULUMI) for manager in managers):
        raise failure("namespace_of_another", namespace=settings.namespace, environment=environment)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A Secret that the settings name."""

    key: str
    namespace: str
    name: str
    keys: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Seen:
    """What the cluster answered; None where this account may not look."""

    version: tuple[int, int] = (0, 0)
    nodes: Sequence[Mapping[str, Any]] | None = None
    classes: Sequence[Mapping[str, Any]] | None = None
    groups: set[str] = field(default_factory=set)
    prometheuses: Sequence[Mapping[str, Any]] | None = None  # of Prometheus's operator, in all namespaces
    namespace: Mapping[str, Any] | None = None
    daemon_sets: Sequence[Mapping[str, Any]] | None = None  # beside the cluster's name server
    secrets: dict[tuple[str, str], dict[str, str] | None] = field(default_factory=dict)
    """By namespace and name; None for one that is not there."""
    unreadable: set[tuple[str, str]] = field(default_factory=set)
    denied: list[str] = field(default_factory=list)  # rights of docs/rbac.yaml that this account does not have


def wanted_secrets(settings: Settings) -> list[Wanted]:
    """Every Secret that the settings name and that somebody else makes."""
    wanted = []
    for key, value, group in leaves(settings.model_dump()):
        name = key.rpartition(".")[2]
        if value and (name.endswith("_secret") or name in {"pull_secrets", "secret_name", "secret"}):
            place = str(group.get("secret_namespace") or group.get("backend_namespace") or settings.namespace)
            keys = ("tls.crt", "tls.key") if name in _TLS else _KEYS.get(name, ())
            names = (value,) if isinstance(value, str) else value
            wanted += [Wanted(key=key, namespace=place, name=str(each), keys=keys) for each in names]
    return wanted


def leaves(group: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Yield key, value and group of every setting that is no group itself."""
    for key, value in group.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value, group


def look(settings: Settings, environment: str, *, secrets_alone: bool = False) -> Seen:
    """Ask the cluster for everything, or for the named Secrets alone; UnansweredError where it does not answer."""
    require(settings, environment)
    with api("the cluster cannot be examined", "kubectl version") as opened:
        core, storage, seen = client.CoreV1Api(opened), client.StorageV1Api(opened), Seen()
        _read_secrets(core, settings, seen)
        if secrets_alone:
            return seen
        version = client.VersionApi(opened).get_code(_request_timeout=kube_api.TIMEOUT_S)
        seen.version = (int(re.sub(r"\D", "", version.major)), int(re.sub(r"\D", "", version.minor)))
        seen.nodes = _listed(core.list_node)
        seen.classes = _listed(storage.list_storage_class)
        seen.groups = {group.name for group in client.ApisApi(opened).get_api_versions(_request_timeout=kube_api.TIMEOUT_S).groups}
        seen.namespace = next((each for each in _listed(core.list_namespace) or () if each["metadata"]["name"] == settings.namespace), None)
        if settings.monitoring.enabled and "monitoring.coreos.com" in seen.groups:
            seen.prometheuses = _listed(client.CustomObjectsApi(opened).list_cluster_custom_object, *_PROMETHEUSES)
        seen.daemon_sets = _listed(client.AppsV1Api(opened).list_namespaced_daemon_set, settings.network.dns_namespace)
        seen.denied = _denied(client.AuthorizationV1Api(opened), settings.namespace)
        return seen


def _read_secrets(core: "client.CoreV1Api", settings: Settings, seen: Seen) -> None:
    for wanted in wanted_secrets(settings):
        try:
            seen.secrets[wanted.namespace, wanted.name] = kube_api.find_secret(core, wanted.namespace, wanted.name)
        except kube_api.ClusterError:
            seen.unreadable.add((wanted.namespace, wanted.name))


def _listed(call: Any, *arguments: str) -> list[dict[str, Any]] | None:  # noqa: ANN401  a method of the client
    try:
        return kube_api.items(call, *arguments)
    except ApiException as error:
        if error.status == kube_api.FORBIDDEN:
            return None
        raise


def _denied(api: "client.AuthorizationV1Api", namespace: str) -> list[str]:
    rules = next(each["rules"] for each in yaml.safe_load_all(_RBAC.read_text(encoding="utf-8")) if each["kind"] == "Role")
    denied = []
    for rule in rules:
        verb = "create" if "create" in rule["verbs"] else "get"
        for group, resource in product(rule["apiGroups"], rule["resources"]):
            kind, _, sub = resource.partition("/")
            attributes = client.V1ResourceAttributes(namespace=namespace, group=group, resource=kind, subresource=sub or None, verb=verb)
            review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
            answer = api.create_self_subject_access_review(review, _request_timeout=kube_api.TIMEOUT_S).status
            denied += [] if answer is not None and answer.allowed else [f"{verb} {resource}"]
    return denied


def nodes() -> list[dict[str, Any]]:
    """Return the nodes as the API spells them; UnansweredError where it does not answer."""
    with api("the nodes cannot be listed", "may you list them? kubectl get nodes") as opened:
        return kube_api.items(client.CoreV1Api(opened).list_node)
