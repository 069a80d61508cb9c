"""Addresses outside: which hosts an object names in its environment, arguments, files or values that are not on the list. Pure.

A rule, no firewall: it reads what is written down. A program that knows an address by itself is stopped by the network policies alone, and
only where the cluster enforces them. Names of the cluster itself, single words and the loopback are inside.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from policies.subject import Context, Subject, Violation, containers

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/@\"']*@)?(\[[0-9a-fA-F:]+\]|[^\s/:\"'<>?#,\])}]+)")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_WITH_PORT = re.compile(r"(?<![\w./@-])((?:[a-z0-9-]+\.)+[a-z]{2,}):\d{1,5}\b")
_BARE = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_PLACES = re.compile(r"(host|endpoint|address|url|uri|registry|repo)s?$", re.IGNORECASE)
_CLUSTER = (".svc", ".cluster.local")
_SILENT = dict.fromkeys(("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "VLLM_NO_USAGE_STATS"), "1")
"""Switches that keep a program from reporting or downloading, and the value that does it."""


def violations(subjects: Sequence[Subject], context: Context) -> Iterator[Violation]:
    """Find every host that is not on the list, once an object, and every telemetry switch that is on, where residency is locked."""
    for subject in subjects if context.allowed_hosts is not None else ():
        for host in sorted({host for text, place in _texts(subject) for host in hosts(text, named=bool(_PLACES.search(place)))}):
            if not is_inside(host, context.allowed_hosts or ()):
                text = f"names {host}, which is outside: residency is locked; cure: remove it, or add it to residency.allowed"
                yield Violation(subject, text)
        for container in containers(subject):
            for each in container.get("env") or ():
                silent = _SILENT.get(str(each.get("name")))
                if silent is not None and str(each.get("value")) != silent:
                    seen = f"container {container.get('name')!r} sets {each['name']} to {each.get('value')!r}"
                    yield Violation(subject, f"{seen}: it reports or downloads; set {silent!r}")


def hosts(text: str, *, named: bool = False) -> Iterator[str]:
    """Hosts in a text: of URLs, numbers, names with a port, and a bare name where the place says that it is one."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for pattern in (_URL, _WITH_PORT):
        yield from (found.strip("[]").lower() for found in pattern.findall(kept))
    yield from (address for address in _IPV4.findall(kept) if _is_address(address))
    if named and _BARE.fullmatch(kept.strip().lower()):
        yield kept.strip().lower()


def is_inside(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host is of the cluster or on the list: itself, below `*.name`, or in a range of addresses."""
    if _is_address(host):
        address = ipaddress.ip_address(host)
        ranges = [ipaddress.ip_network(each) for each in allowed if _is_range(each)]
        return address.is_loopback or address.is_unspecified or any(address in each for each in ranges)
    if "." not in host or host.endswith(_CLUSTER):
        return True
    return any(host == each.lower() or (each.startswith("*.") and host.endswith(each[1:].lower())) for each in allowed)


def _texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Every text of an object that a program reads, with the key that it stands under."""
    for container in containers(subject):
        image = str(container.get("image", ""))
        first, slash, _ = image.partition("/")
        named = slash and ("." in first or ":" in first)  # else it is pulled from docker.io
        yield first.partition(":")[0] if named else ("docker.io" if image else ""), "registry"
        yield from ((str(each), "") for key in ("command", "args") for each in container.get(key) or ())
        yield from ((str(each["value"]), str(each["name"])) for each in container.get("env") or () if "value" in each)
    for key in ("data", "values"):
        yield from _leaves(subject.content.get(key), key)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401  plain data of any shape
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, key)
    elif isinstance(value, str):
        yield value, key


def _is_address(text: str) -> bool:
    return "/" not in text and _is_range(text)  # a range of one


def _is_range(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_network(text))
    return False
