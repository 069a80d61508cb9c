"""Keeps what is addressed directly away from HTTP proxies: a ClusterIP means nothing to a company's proxy, but gRPC would ask it."""

import ipaddress
import os
from collections.abc import Iterable
from urllib.parse import urlsplit


def bypass_proxies(urls: Iterable[str]) -> None:
    """Add the private addresses among `urls` to NO_PROXY of this process, which gRPC, httpx and boto3 all obey."""
    hosts = sorted({urlsplit(url).hostname or "" for url in urls if _is_direct(url)})
    for variable in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, *hosts]))


def service_of(url: str) -> tuple[str, str] | None:
    """Return (service, namespace) of an address NAME.NAMESPACE.svc, with or without the domain of the cluster, else None."""
    name, _, rest = (urlsplit(url).hostname or "").partition(".")
    namespace, _, rest = rest.partition(".")
    return (name, namespace) if name and namespace and rest.partition(".")[0] == "svc" else None


def _is_direct(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or service_of(url) is not None:
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
