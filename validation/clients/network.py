"""Keeps what is addressed directly away from HTTP proxies: a ClusterIP means nothing to a company's proxy, but gRPC would ask it."""

import ipaddress
import os
from collections.abc import Iterable
from urllib.parse import urlsplit


def bypass_proxies(urls: Iterable[str]) -> None:
    """Add the private addresses among `urls` to NO_PROXY of this process, which gRPC, httpx and boto3 all obey."""
    hosts = sorted({host for url in urls if _is_direct(host := urlsplit(url).hostname or "")})
    for variable in ("no_proxy", "NO_PROXY"):
        known = [part for part in os.environ.get(variable, "").split(",") if part]
        os.environ[variable] = ",".join(dict.fromkeys([*known, *hosts]))


def _is_direct(host: str) -> bool:
    if host == "localhost" or host.endswith((".svc", ".svc.cluster.local")):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
