"""What a cluster answers about an environment before or after its installation; `examination` judges it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from components import kube_api
from stacks.operations import cluster
from stacks.settings import Settings

_RBAC = Path(__file__).parent.parent.parent / "docs" / "rbac.yaml"
_TLS = {"proxy_secret", "internal_secret", "certificate_secret"}
_PROMETHEUSES = ("monitoring.coreos.com", "v1", "prometheuses")
_STORE_KEYS = ("access_key", "secret_key")
_KEYS = {"milvus_secret": _STORE_KEYS, "documents_secret": _STORE_KEYS, "pull_secrets": (".dockerconfigjson",)}


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
    secrets: dict[tuple[str, str], dict[str, str] | None] = field(default_factory=dict)
    """By namespace and name; None for one that is not there."""
    unreadable: set[tuple[str, str]] = field(default_factory=set)
    denied: list[str] = field(default_factory=list)  # rights of docs/rbac.yaml that this account does not have


def wanted_secrets(settings: Settings) -> list[Wanted]:
    """Every Secret that the settings name and that somebody else makes."""
    wanted = []
    for key, value, group in leaves(settings.model_dump()):
        name = key.rpartition(".")[2]
        if value and (name.endswith("_secret") or name in {"pull_secrets", "secret_name"}):
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


def look(settings: Settings, environment: str) -> Seen:
    """Ask the cluster; UnansweredError where it does not answer."""
    cluster.require(settings, environment)
    with cluster.api("the cluster cannot be examined", "kubectl version") as api:
        core, storage = client.CoreV1Api(api), client.StorageV1Api(api)
        version = client.VersionApi(api).get_code(_request_timeout=kube_api.TIMEOUT_S)
        seen = Seen(version=(int(re.sub(r"\D", "", version.major)), int(re.sub(r"\D", "", version.minor))))
        seen.nodes = _listed(core.list_node)
        seen.classes = _listed(storage.list_storage_class)
        seen.groups = {group.name for group in client.ApisApi(api).get_api_versions(_request_timeout=kube_api.TIMEOUT_S).groups}
        seen.namespace = next((each for each in _listed(core.list_namespace) or () if each["metadata"]["name"] == settings.namespace), None)
        _read_secrets(core, settings, seen)
        if settings.monitoring.enabled and "monitoring.coreos.com" in seen.groups:
            seen.prometheuses = _listed(client.CustomObjectsApi(api).list_cluster_custom_object, *_PROMETHEUSES)
        seen.denied = _denied(client.AuthorizationV1Api(api), settings.namespace)
        return seen


def look_at_secrets(settings: Settings, environment: str) -> Seen:
    """Ask for the named Secrets alone; UnansweredError where the cluster does not answer."""
    cluster.require(settings, environment)
    with cluster.api("the cluster cannot be examined", "kubectl version") as api:
        _read_secrets(client.CoreV1Api(api), settings, seen := Seen())
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
