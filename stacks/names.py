"""Which strings are safe as names: each check prevents one accident, and says which. Pure."""

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][-a-z0-9]{1,61}[a-z0-9]")
_ROOT_PATH = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*")
_IMAGE = re.compile(r"[a-z0-9][-._a-z0-9]*(:\d+)?(/[a-z0-9][-._a-z0-9]*)*(:(?P<tag>[\w][-.\w]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?")
_REGISTRY = re.compile(r"[a-z0-9][-a-z0-9]*((\.[a-z0-9][-a-z0-9]*)+(:\d+)?|:\d+)")
_MIRROR = re.compile(_REGISTRY.pattern + r"(/[a-z0-9][-._a-z0-9]*)*")
_FLOATING_TAGS = {"latest", "stable", "main", "master", "nightly", "dev", "edge"}


def is_text_in_yaml(value: str) -> bool:
    """Whether every YAML parser, of version 1.1 or 1.2, reads the bare word as a string: not so for off, no, y, 1e3, 0x1f, 2026-01-01."""
    if value.lower() in {"y", "n"} or _is_number(value):
        return False
    try:
        return isinstance(yaml.safe_load(value), str)
    except (yaml.YAMLError, ValueError):
        return False


def _is_number(value: str) -> bool:
    for read in (float, lambda text: int(text, 0)):
        try:
            read(value)
        except ValueError:
            continue
        return True
    return False


def _text(value: str) -> str:
    if not is_text_in_yaml(value):
        raise ValueError("a chart that writes it into YAML without quotes turns it into something else than text")
    return value


def _namespace(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError("is no Kubernetes name: at most 63 lower-case letters, digits and dashes")
    if value == "default" or value.startswith("kube-"):
        raise ValueError("belongs to the cluster, and `pulumi destroy` would delete it")
    return value


def require_bucket_name(value: str) -> str:
    """Refuse what some part of the way cannot carry; gives the name back."""
    if not _BUCKET.fullmatch(value):
        raise ValueError(
            f"{value!r} is no safe bucket name: 3 to 63 lower-case letters, digits and dashes; a dot would break TLS host names"
        )
    return value


def _root_path(value: str) -> str:
    if not _ROOT_PATH.fullmatch(value):
        raise ValueError("must be path segments of letters, digits, dash, dot and underscore, without a slash at either end")
    return value


def _endpoint(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "https":
        raise ValueError("must begin with https://, or keys and documents cross the network in clear text")
    _ = url.port  # raises for what is no port number
    if not url.hostname or f"https://{url.netloc}" != value or "@" in url.netloc or url.netloc.endswith(":"):
        raise ValueError("must be https://host[:port] and nothing else: a user, path or query would be dropped")
    if url.hostname == "localhost" or _is_loopback(url.hostname):
        raise ValueError("is the loopback, which inside a pod is the pod itself")
    return value


def _api_url(value: str) -> str:
    url = urlsplit(value)
    _ = url.port  # raises for what is no port number
    if url.scheme != "https" or not url.hostname or "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must be https://host[:port][/path], without a user or a query: a key has its own file")
    return value.rstrip("/")


def _service_url(value: str) -> str:
    url = urlsplit(value)
    _ = url.port  # raises for what is no port number
    if url.scheme not in {"https", "http"} or not url.hostname or "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must be https://host[:port]/path, without a user or a query: a key belongs into a Secret")
    if url.hostname == "localhost" or _is_loopback(url.hostname):
        raise ValueError("is the loopback, which inside a pod is the pod itself")
    return value.rstrip("/")


def _administration_uri(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.port is None:
        raise ValueError("must be http://host:port or https://host:port")
    if f"{url.scheme}://{url.netloc}" != value or "@" in url.netloc:
        raise ValueError("must be http(s)://host:port and nothing else: a user or a path would be dropped")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _image(value: str) -> str:
    found = _IMAGE.fullmatch(value)
    if found is None:
        raise ValueError("is no image reference")
    if not found["digest"] and (found["tag"] is None or found["tag"] in _FLOATING_TAGS):
        raise ValueError("needs a digest or a tag that does not move, or two pods of one release may run different programs")
    return value


def require_mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    """Refuse what is no registry, or no mirror of one; gives them back."""
    for registry, mirror in mirrors.items():
        if not _REGISTRY.fullmatch(registry):
            raise ValueError(f"{registry!r} is no registry: a host name with a dot or a port, such as docker.io, without scheme or path")
        if not _MIRROR.fullmatch(mirror):
            raise ValueError(f"{mirror!r} is no mirror: HOST[:PORT][/PATH] in lower case, without scheme, tag or a slash at the end")
    return mirrors


def _ca_file(value: str) -> str:
    try:
        pem = Path(value).expanduser().read_text(encoding="ascii")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is no PEM text; convert it: openssl x509 -inform der -in FILE -out ca.crt") from None
    if "PRIVATE KEY" in pem:
        raise ValueError("holds a private key, and everything in it would be published in a ConfigMap")
    try:
        ssl.create_default_context(cadata=pem)
    except ssl.SSLError:
        raise ValueError("holds no certificate in PEM form") from None
    return value


Namespace = Annotated[str, AfterValidator(_namespace), AfterValidator(_text)]
BucketName = Annotated[str, AfterValidator(require_bucket_name), AfterValidator(_text)]
RootPath = Annotated[str, AfterValidator(_root_path), AfterValidator(_text)]
YamlText = Annotated[str, AfterValidator(_text)]
ServiceUrl = Annotated[str, AfterValidator(_service_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
AdministrationUri = Annotated[str, AfterValidator(_administration_uri)]
Image = Annotated[str, AfterValidator(_image)]
CaFile = Annotated[str, AfterValidator(_ca_file)]
