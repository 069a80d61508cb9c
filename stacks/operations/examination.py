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
from stacks.problems import Line, SettingsError
from stacks.settings import Settings
from stacks.wiring import models, tenancy

OLDEST_KUBERNETES = (1, 27)
CERTIFICATE_DAYS = 30
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def of_shell(environment: Environment) -> Iterator[Line]:
    """Judge this machine: tools, Pulumi's plugin and state."""
    tools = {"pulumi": "installs everything", "helm": "reads and mends the release of Milvus", "kubectl": "looks into pods (--posture)"}
    for tool, why in tools.items():
        there = shutil.which(tool)
        yield Line("OK", tool, there) if there else Line("FAIL", tool, f"not on PATH, and it {why}", f"install {tool}", "docs/install.md")
    if shutil.which("pulumi"):
        yield _plugin(version("pulumi-kubernetes"), pulumi_cli.plugins())
        yield _stack(environment)


def _plugin(wanted: str, there: Sequence[Mapping[str, Any]]) -> Line:
    versions = sorted(str(each["version"]) for each in there if each["name"] == "kubernetes")
    if wanted in versions:
        return Line("OK", "Pulumi's plugin", f"kubernetes {wanted}")
    seen = f"kubernetes {wanted} is not here ({', '.join(versions) or 'none is'}); `pulumi up` downloads it"
    return Line("WARN", "Pulumi's plugin", seen, f"pulumi plugin install resource kubernetes {wanted}", "docs/air-gap.md")


def _stack(environment: Environment) -> Line:
    """Judge whether the state has the stack, and this shell what opens its secrets."""
    try:
        is_there = environment.name in pulumi_cli.stacks()
    except SettingsError as error:
        cure = "mkdir -p ~/.pulumi-state; pulumi login file://~/.pulumi-state"
        return Line("FAIL", "Pulumi's state", str(error).rpartition("error: ")[2], cure, "docs/install.md")
    if not is_there:
        cure = f"pulumi stack init {environment.name}"
        return Line("FAIL", "Pulumi's state", f"has no stack {environment.name!r}", cure, "docs/install.md")
    needs_words = "encryptionsalt:" in environment.source.read_text(encoding="utf-8")
    if needs_words and not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
        cure = "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"
        return Line("FAIL", "Pulumi's state", "its secrets need the passphrase, and this shell has none", cure, "docs/install.md")
    return Line("OK", "Pulumi's state", f"has the stack {environment.name!r}")


def of_store(settings: Settings) -> Line:
    """Judge whether the store is reached from this machine."""
    host, port = store_address(settings).split()
    where = f"{host}:{port}"
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError as error:
        cure = "check name, route and firewall from here; the preflight runs on this machine too"
        return Line("FAIL", "object store", f"{where} does not answer ({error})", cure, "docs/preflight.md")
    return Line("OK", "object store", f"{where} answers; what it can do: ./rag preflight ENV")


def store_address(settings: Settings) -> str:
    """Return "HOST PORT" of the S3 API."""
    parts = urlsplit(settings.object_store.endpoint)
    return f"{parts.hostname} {parts.port or 443}"


def of_cluster(settings: Settings, seen: Seen, now: dt.datetime) -> Iterator[Line]:
    """Judge the cluster."""
    space, version_ = settings.namespace, ".".join(map(str, seen.version))
    if seen.version < OLDEST_KUBERNETES:
        oldest = ".".join(map(str, OLDEST_KUBERNETES))
        untried = f"{version_}; objects are rendered for {KUBERNETES_VERSION}, none was tried before {oldest}"
        yield Line("WARN", "Kubernetes", untried, "upgrade it")
    else:
        yield Line("OK", "Kubernetes", version_)
    if seen.denied:
        cure = "have an administrator apply docs/rbac.yaml, or use its account"
        yield Line("FAIL", "rights", f"in {space!r} this account may not {', '.join(seen.denied)}", cure, "docs/rbac.md")
    else:
        yield Line("OK", "rights", f"this account has those of docs/rbac.yaml in {space!r}")
    if seen.namespace is None:
        yield Line("OK", "namespace", f"{space!r} is not there, or not seen; `pulumi up` makes it")
    else:
        enforced = (seen.namespace["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce", "")
        yield Line("OK", "namespace", f"{space!r} is there" + (f"; pod security {enforced}, which our pods keep" if enforced else ""))
    yield from _classes(settings, seen.classes)
    yield from _groups(settings, seen.groups)
    yield from _monitors(settings, seen)
    yield from _room(settings, seen.nodes)
    yield from of_secrets(settings, seen, now)


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
        yield Line("FAIL", f"Secret {wanted.name}", "is no docker config", "kubectl create secret docker-registry --help")
        return
    needed = [images.mirrored(images.parse(text), settings.registry.mirrors) for text in lock.named(settings).values()]
    for host in sorted({image.registry for image in needed} - hosts):
        yield Line("WARN", f"Secret {wanted.name}", f"has no login for {host}", "fine where that registry asks for none; else add it")


def _classes(settings: Settings, classes: Sequence[Mapping[str, Any]] | None) -> Iterator[Line]:
    if classes is None:
        cure = "kubectl get storageclass, as administrator"
        yield Line("WARN", "StorageClass", "this account may not list them, so nothing is known", cure)
        return
    there = {each["metadata"]["name"]: each for each in classes}
    default = [name for name, each in there.items() if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"]
    named = {str(value): key for key, value, _ in leaves(settings.model_dump()) if value and key.endswith("storage_class")}
    for name, key in named.items():
        cure = f"choose one of {', '.join(sorted(there)) or 'none'}: pulumi config set --path milvus-x10000:{key} NAME"
        yield Line("OK", "StorageClass", f"{name} ({key})") if name in there else Line("FAIL", "StorageClass", f"no {name!r} ({key})", cure)
    if default:
        yield Line("OK", "StorageClass", f"{default[0]} is the default, for volumes that name none")
    else:
        cure = "kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true, or name one for each volume"
        yield Line("WARN", "StorageClass", "none is the default: a volume that names none stays pending", cure, "docs/settings.md")


def _groups(settings: Settings, groups: set[str]) -> Iterator[Line]:
    monitored = settings.monitoring.enabled or settings.monitoring.rules_of is not None
    users = (
        ("monitoring.coreos.com", "Prometheus's operator (monitoring.enabled)", monitored),
        ("keda.sh", "KEDA (keda)", settings.keda is not None),
        ("objectstorage.k8s.io", "COSI (object_store.driver: cosi)", settings.object_store.driver == "cosi"),
    )
    for group, user, is_needed in users:
        if is_needed and group in groups:
            yield Line("OK", "CRDs", f"{group}: {user}")
        elif is_needed:
            yield Line("FAIL", "CRDs", f"{group} is not served: {user}", "install it, or turn that setting off", "docs/platforms.md")


def _monitors(settings: Settings, seen: Seen) -> Iterator[Line]:
    """Judge whether a Prometheus of the operator would read our monitors, by the labels that they are sure to have."""
    if seen.prometheuses is None:
        return
    space = {"kubernetes.io/metadata.name": settings.namespace, **((seen.namespace or {}).get("metadata", {}).get("labels") or {})}
    names = []
    for each in seen.prometheuses:
        spec, home = each["spec"], each["metadata"]["namespace"]
        in_reach = spec.get("serviceMonitorNamespaceSelector")
        if _selects(spec.get("serviceMonitorSelector"), settings.monitoring.labels) and (
            home == settings.namespace if in_reach is None else _selects(in_reach, space)
        ):
            names.append(f"{home}/{each['metadata']['name']}")
    if names:
        yield Line("OK", "Prometheus", f"{', '.join(names)} selects our ServiceMonitors")
        return
    cure = "set monitoring.labels to what its serviceMonitorSelector asks for: kubectl get prometheus -A -o yaml"
    yield Line("WARN", "Prometheus", f"none of {len(seen.prometheuses)} selects our ServiceMonitors", cure, "docs/platforms.md")


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
        yield Line("WARN", "nodes", "this account may not list them, so their room is not known", "kubectl top nodes, as administrator")
        return
    needs = tenancy.consumers(settings)
    yield _sums(needs, nodes)
    for name, service in models.here(settings).items():
        if service.gpu is not None:
            problem, page = placing_problem(service.gpu.to_args(settings.pod_options), nodes), "docs/models.md"
            yield Line("FAIL", f"GPU of {name}", problem, page=page) if problem else Line("OK", f"GPU of {name}", "a node has it")


def _sums(needs: Sequence[Consumer], nodes: Sequence[Mapping[str, Any]]) -> Line:
    amount: Callable[[str], Decimal] = parse_quantity  # which has no types
    sizes = [each["status"]["allocatable"] for each in nodes]
    free = [(float(amount(size["cpu"])), float(amount(size["memory"])) / 2**30) for size in sizes]
    total = (sum(cpu for cpu, _ in free), sum(gib for _, gib in free))
    cores = sum(each.replicas * each.resources.cpu_cores for each in needs)
    memory = sum(each.replicas * each.resources.memory_gib for each in needs)
    seen = f"{len(nodes)} nodes of {total[0]:g} cores, {total[1]:.0f} GiB; needed {cores:g}, {memory:g}"
    large = [each for each in needs if not any(each.resources.cpu_cores <= cpu and each.resources.memory_gib <= gib for cpu, gib in free)]
    cure = "larger nodes, or smaller sizes: ./rag needs ENV"
    if large:
        names = ", ".join(f"{each.name} ({each.resources.cpu_cores:g} cores, {each.resources.memory_gib:g} GiB)" for each in large)
        return Line("FAIL", "nodes", f"{seen}; no node holds one pod of {names}", cure)
    if cores > total[0] or memory > total[1]:
        return Line("WARN", "nodes", f"{seen}: not all of it has room", cure)
    return Line("OK", "nodes", f"{seen}; other pods are not counted")


def _secret(wanted: Wanted, seen: Seen, now: dt.datetime) -> Line:
    place, what = (wanted.namespace, wanted.name), f"Secret {wanted.namespace}/{wanted.name}"
    if place in seen.unreadable:
        return Line("WARN", what, f"this account may not read it ({wanted.key})", "kubectl auth can-i get secrets", "docs/rbac.md")
    texts = seen.secrets.get(place)
    if texts is None:
        keys = " ".join(f"--from-file={key}" for key in wanted.keys) or "--from-file=KEY"
        return Line("FAIL", what, f"is not there ({wanted.key})", f"kubectl -n {place[0]} create secret generic {place[1]} {keys}")
    if missing := [key for key in wanted.keys if not texts.get(key)]:
        return Line("FAIL", what, f"has no {' and no '.join(missing)}, it has {', '.join(sorted(texts)) or 'nothing'}", "add it")
    if "tls.crt" in wanted.keys:
        return certificate(what, texts["tls.crt"], now)
    return Line("OK", what, wanted.key)


def certificate(what: str, pem: str, now: dt.datetime) -> Line:
    """Judge how long a certificate is valid."""
    try:
        ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return Line("FAIL", what, "tls.crt is no certificate in PEM", "put the certificate there")
    days = (ends - now).days
    if ends <= now:
        return Line("FAIL", what, f"the certificate ended on {ends:%Y-%m-%d}", "put a new one there; Milvus reads it when its pods restart")
    if days < CERTIFICATE_DAYS:
        return Line("WARN", what, f"the certificate ends in {days} days, on {ends:%Y-%m-%d}", "renew it")
    return Line("OK", what, f"the certificate is valid for {days} days")
