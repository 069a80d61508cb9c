"""Which addresses a program or a pod can reach, and which would carry keys in clear text. Pure."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from stacks.problems import WrongValueError, refused
from stacks.settings.names import OBJECT, TEXT, each_once, unless

_ALL_DIGITS = re.compile(r"[\d.]+")
_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?):(?P<port>[1-9]\d{0,4})")
_LAST_PORT = 65535
_UNREACHED = "nothing would ever be reached there"
_CLEAR_TEXT = "keys and documents would cross the network in clear text"


def _address(value: str, *schemes: str, from_pods: bool = True) -> SplitResult:
    """Refuse an address that no program reaches, and the loopback where pods are to reach it; gives its parts."""
    scheme = value.partition("://")[0]
    if scheme.lower() not in schemes:
        text = " or ".join(f"{each}://" for each in schemes)
        raise WrongValueError("settings.scheme", f"must begin with {text}", _CLEAR_TEXT if schemes == ("https",) else _UNREACHED)
    if not value.isascii() or any(letter.isspace() or not letter.isprintable() for letter in value):
        raise refused("host_characters")
    url, port = _split(value)
    if "@" in url.netloc or url.query or url.fragment:
        raise refused("address_parts")
    if port == 0 or url.netloc.endswith(":") or re.search(r":0\d", url.netloc.rpartition("]")[2]):
        raise refused("port")
    if scheme != scheme.lower() or url.netloc != url.netloc.lower():
        raise refused("capitals", instead=f"{scheme.lower()}://{url.netloc.lower()}{url.path}")
    if from_pods or not _is_loopback(url.hostname or ""):
        _host(url.hostname or "")
    return url


def _split(value: str) -> tuple[SplitResult, int | None]:
    try:
        return (url := urlsplit(value)), url.port
    except ValueError as error:
        raise refused("port_unread", why=error) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(host: str) -> str:
    if _is_loopback(host):
        raise refused("loopback")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not OBJECT.fullmatch(host) or ".." in host or _ALL_DIGITS.fullmatch(host):
            raise refused("host_name") from None
        return host
    if address.is_unspecified or address.is_multicast:
        raise refused("host_of_many")
    return host


def _endpoint(value: str) -> str:
    if _address(value, "https").path.strip("/"):
        raise refused("endpoint_path")
    return value.rstrip("/")


def _url(*schemes: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        _address(value, *schemes)
        return value.rstrip("/")

    return check


def _administration_uri(value: str) -> str:
    try:
        url, port = _split(value)
    except WrongValueError:
        url, port = urlsplit(""), None
    if url.scheme not in {"http", "https"} or not url.hostname or not port:
        raise refused("administration")
    if f"{url.scheme}://{url.netloc}" != value or "@" in url.netloc:
        raise refused("administration_path")
    return value


def _repository_url(value: str) -> str:
    """Let the loopback pass: this machine reads charts, no pod does."""
    _address(value, "https", "http", from_pods=False)
    return value


def _host_port(value: str) -> str:
    if (match := _HOST_PORT.fullmatch(value)) is None or int(match["port"]) > _LAST_PORT:
        raise refused("host_port")
    _host(match["host"].lower())
    return value


ServiceUrl = Annotated[str, AfterValidator(_url("https", "http"))]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
MilvusEndpoint = Annotated[str, AfterValidator(unless(lambda value: "[" not in value, "ipv6")), AfterValidator(_endpoint)]
ApiUrl = Annotated[str, AfterValidator(_url("https"))]
AdministrationUri = Annotated[str, AfterValidator(_administration_uri)]
HostPort = Annotated[str, AfterValidator(_host_port)]
HostPorts = Annotated[tuple[HostPort, ...], AfterValidator(each_once)]
HostName = Annotated[str, AfterValidator(_host), TEXT]
