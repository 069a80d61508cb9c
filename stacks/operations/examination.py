"""What a cluster and a shell must have for an environment: judged line by line. Pure, but for the shell."""

import datetime as dt
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from kubernetes.utils.quantity import parse_quantity

from components.pods import placing_problem
from components.quota import Consumer
from components.versions import KUBERNETES_VERSION
from stacks import images
from stacks.environments import Environment
from stacks.images import lock
from stacks.operations import pulumi_cli
from stacks.operations.cluster import Seen, Wanted, leaves, wanted_secrets
from stacks.operations.pods import Trouble
from stacks.problems import Line, SettingsError, line_of
from stacks.settings import Settings
from stacks.wiring import models, tenancy

OLDEST_KUBERNETES = (1, 27)
CERTIFICATE_DAYS = 30
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def of_shell(environment: Environment) -> Iterator[Line]:
    """Judge this machine: tools, Pulumi's plugin and state."""
    tools = {"pulumi": "installs everything", "helm": "reads and mends the release of Milvus", "kubectl": "looks into pods (--posture)"}
    for tool, why in tools.items():
        yield line_of("tool" if (there := shutil.which(tool)) else "tool_missing", tool=tool, why=why, there=there)
    if shutil.which("pulumi"):
        yield _plugin(version("pulumi-kubernetes"), pulumi_cli.plugins())
        yield _stack(environment)


def _plugin(wanted: str, there: Sequence[Mapping[str, Any]]) -> Line:
    versions = sorted(str(each["version"]) for each in there if each["name"] == "kubernetes")
    return line_of("plugin" if wanted in versions else "plugin_missing", version=wanted, others=", ".join(versions) or "none is")


def _stack(environment: Environment) -> Line:
    """Judge whether the state has the stack, and this shell what opens its secrets."""
    try:
        is_there = environment.name in pulumi_cli.stacks()
    except SettingsError as error:
        return line_of("state_unread", error=str(error).rpartition("error: ")[2])
    if not is_there:
        return line_of("state_without_stack", name=environment.name)
    needs_words = "encryptionsalt:" in environment.source.read_text(encoding="utf-8")
    if needs_words and not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
        return line_of("state_locked")
    return line_of("state", name=environment.name)


def of_store(settings: Settings) -> Line:
    """Judge whether the store is reached from this machine."""
    host, port = store_address(settings).split()
    where = f"{host}:{port}"
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError as error:
        return line_of("store_silent", where=where, error=error)
    return line_of("store", where=where)


def store_address(settings: Settings) -> str:
    """Return "HOST PORT" of the S3 API."""
    parts = urlsplit(settings.object_store.endpoint)
    return f"{parts.hostname} {parts.port or 443}"


def of_cluster(settings: Settings, seen: Seen, now: dt.datetime) -> Iterator[Line]:
    """Judge the cluster."""
    space, (is_, oldest) = settings.namespace, (".".join(map(str, each)) for each in (seen.version, OLDEST_KUBERNETES))
    kubernetes = "kubernetes_old" if seen.version < OLDEST_KUBERNETES else "kubernetes"
    yield line_of(kubernetes, version=is_, oldest=oldest, rendered=KUBERNETES_VERSION)
    yield line_of("rights_missing" if seen.denied else "rights", space=space, denied=", ".join(seen.denied))
    enforced = _labels(seen.namespace).get("pod-security.kubernetes.io/enforce", "")
    namespace = "namespace_missing" if seen.namespace is None else "namespace_guarded" if enforced else "namespace"
    yield line_of(namespace, space=space, enforced=enforced)
    yield from _classes(settings, seen.classes)
    yield from _groups(settings, seen.groups)
    caches = [name for each in seen.daemon_sets or () if "nodelocaldns" in (name := each["metadata"]["name"]).replace("-", "")]
    if caches and not settings.network.dns_addresses:
        yield line_of("name_cache", name=caches[0], space=settings.network.dns_namespace)
    yield from _monitors(settings, seen)
    yield from _room(settings, seen.nodes)
    yield from of_secrets(settings, seen, now)


def _labels(namespace: Mapping[str, Any] | None) -> Mapping[str, str]:
    return (namespace or {}).get("metadata", {}).get("labels") or {}


def of_troubles(troubles: Sequence[Trouble]) -> list[Line]:
    """Judge what keeps pods from starting."""
    return [Line("FAIL", trouble.where, trouble.problem, trouble.cure, "docs/operations.md") for trouble in troubles]


def of_secrets(settings: Settings, seen: Seen, now: dt.datetime) -> Iterator[Line]:
    """Judge the Secrets that the settings name, and the days of their certificates."""
    for wanted in wanted_secrets(settings):
        yield _secret(wanted, seen, now)
        if wanted.key == "registry.pull_secrets" and (texts := seen.secrets.get((wanted.namespace, wanted.name))):
            yield from _logins(settings, wanted, texts.get(".dockerconfigjson", ""))


def _logins(settings: Settings, wanted: Wanted, text: str) -> Iterator[Line]:
    """Judge whether a pull secret has a login for the registries of the images."""
    try:
        hosts = {urlsplit(host if "://" in host else f"//{host}").netloc for host in json.loads(text)["auths"]}
    except (ValueError, KeyError, TypeError):
        yield line_of("logins_unread", name=wanted.name)
        return
    needed = [images.mirrored(images.parse(text), settings.registry.mirrors) for text in lock.named(settings).values()]
    for host in sorted({image.registry for image in needed} - hosts):
        yield line_of("login_missing", name=wanted.name, host=host)


def _classes(settings: Settings, classes: Sequence[Mapping[str, Any]] | None) -> Iterator[Line]:
    if classes is None:
        yield line_of("classes_unseen")
        return
    there = {each["metadata"]["name"]: each for each in classes}
    default = [name for name, each in there.items() if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"]
    named = {str(value): key for key, value, _ in leaves(settings.model_dump()) if value and key.endswith("storage_class")}
    for name, key in named.items():
        yield line_of("class" if name in there else "class_missing", name=name, key=key, names=", ".join(sorted(there)) or "none")
    yield line_of("class_default", name=default[0]) if default else line_of("class_without_default")


def _groups(settings: Settings, groups: set[str]) -> Iterator[Line]:
    monitored = settings.monitoring.enabled or settings.monitoring.rules_of is not None
    users = (
        ("monitoring.coreos.com", "Prometheus's operator (monitoring.enabled)", monitored),
        ("keda.sh", "KEDA (keda)", settings.keda is not None),
        ("objectstorage.k8s.io", "COSI (object_store.driver: cosi)", settings.object_store.driver == "cosi"),
    )
    for group, user, is_needed in users:
        if is_needed:
            yield line_of("group" if group in groups else "group_missing", group=group, user=user)


def _monitors(settings: Settings, seen: Seen) -> Iterator[Line]:
    """Judge whether a Prometheus of the operator would read our monitors, by the labels that they are sure to have."""
    if seen.prometheuses is None:
        return
    space = {"kubernetes.io/metadata.name": settings.namespace, **_labels(seen.namespace)}

    def takes(each: Mapping[str, Any], kind: str) -> bool:
        in_reach, home = each["spec"].get(f"{kind}MonitorNamespaceSelector"), each["metadata"]["namespace"]
        is_in_reach = home == settings.namespace if in_reach is None else _selects(in_reach, space)
        return is_in_reach and _selects(each["spec"].get(f"{kind}MonitorSelector"), settings.monitoring.labels)

    reading = [each["metadata"] for each in seen.prometheuses if takes(each, "service") and takes(each, "pod")]
    names = ", ".join(f"{each['namespace']}/{each['name']}" for each in reading)
    yield line_of("prometheus" if reading else "prometheus_none", names=names, number=len(seen.prometheuses))


def _selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes an object with these labels; an empty one takes all, none takes nothing."""
    if selector is None:
        return False
    matches = [labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        is_in = rule["key"] in labels if not rule.get("values") else labels.get(rule["key"]) in rule["values"]
        matches.append(is_in == (rule["operator"] in {"In", "Exists"}))
    return all(matches)


def _room(settings: Settings, nodes: Sequence[Mapping[str, Any]] | None) -> Iterator[Line]:
    if nodes is None:
        yield line_of("nodes_unseen")
        return
    needs = tenancy.consumers(settings)
    yield _sums(needs, nodes)
    for name, service in models.here(settings).items():
        if service.gpu is not None:
            problem = placing_problem(service.gpu.to_args(settings.pod_options), nodes)
            yield line_of("gpu_missing" if problem else "gpu", name=name, problem=problem)


def _sums(needs: Sequence[Consumer], nodes: Sequence[Mapping[str, Any]]) -> Line:
    amount: Callable[[str], Decimal] = parse_quantity  # which has no types
    sizes = [each["status"]["allocatable"] for each in nodes]
    free = [(float(amount(size["cpu"])), float(amount(size["memory"])) / 2**30) for size in sizes]
    total = (sum(cpu for cpu, _ in free), sum(gib for _, gib in free))
    cores = sum(each.replicas * each.resources.cpu_cores for each in needs)
    memory = sum(each.replicas * each.resources.memory_gib for each in needs)
    seen = f"{len(nodes)} nodes of {total[0]:g} cores, {total[1]:.0f} GiB; needed {cores:g}, {memory:g}"
    large = [each for each in needs if not any(each.resources.cpu_cores <= cpu and each.resources.memory_gib <= gib for cpu, gib in free)]
    names = ", ".join(f"{each.name} ({each.resources.cpu_cores:g} cores, {each.resources.memory_gib:g} GiB)" for each in large)
    are_too_few = cores > total[0] or memory > total[1]
    return line_of("nodes_too_small" if large else "nodes_too_few" if are_too_few else "nodes", seen=seen, names=names)


def _secret(wanted: Wanted, seen: Seen, now: dt.datetime) -> Line:
    place, what = (wanted.namespace, wanted.name), f"Secret {wanted.namespace}/{wanted.name}"
    if place in seen.unreadable:
        return line_of("secret_unread", what=what, key=wanted.key)
    texts = seen.secrets.get(place)
    if texts is None:
        keys = " ".join(f"--from-file={key}" for key in wanted.keys) or "--from-file=KEY"
        return line_of("secret_missing", what=what, key=wanted.key, wanted=wanted, keys=keys)
    if missing := [key for key in wanted.keys if not texts.get(key)]:
        there = ", ".join(sorted(texts)) or "nothing"
        return line_of("secret_incomplete", what=what, missing=" and no ".join(missing), there=there)
    if "tls.crt" in wanted.keys:
        return certificate(what, texts["tls.crt"], now)
    return line_of("secret", what=what, key=wanted.key)


def certificate(what: str, pem: str, now: dt.datetime) -> Line:
    """Judge how long a certificate is valid."""
    try:
        ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return line_of("certificate_unread", what=what)
    days = (ends - now).days
    row = "certificate_ended" if ends <= now else "certificate_ends" if days < CERTIFICATE_DAYS else "certificate"
    return line_of(row, what=what, ends=ends, days=days)
