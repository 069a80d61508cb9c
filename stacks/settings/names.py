"""Which strings are safe as names, and which addresses a program or a pod can reach: each check prevents one accident, and says which."""

import ipaddress
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import yaml
from pydantic import AfterValidator

from stacks.problems import WrongValueError, refused

TABLES = yaml.safe_load(Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8"))
OBJECT = re.compile(r"(?=.{1,253}$)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][-._a-z0-9]*(:\d+)?(/[a-z0-9][-._a-z0-9]*)*(:(?P<tag>[\w][-.\w]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?")
_REGISTRY = re.compile(r"[a-z0-9][-a-z0-9]*((\.[a-z0-9][-a-z0-9]*)+(:\d+)?|:\d+)")
_MIRROR = re.compile(_REGISTRY.pattern + r"(/[a-z0-9][-._a-z0-9]*)*")
_OUR_SECRETS = re.compile(r"(milvus|documents)-store(-.*)?|milvus-root|milvus-.*-(search|ingest|admin)|milvus-(search|ingest|admin)")
_ALL_DIGITS = re.compile(r"[\d.]+")
_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?):(?P<port>[1-9]\d{0,4})")
_LAST_PORT = 65535
_UNREACHED = "nothing would ever be reached there"
_CLEAR_TEXT = "keys and documents would cross the network in clear text"
_LONGEST_ROOT_PATH = 256
_FLOATING_TAGS = {"latest", "stable", "main", "master", "nightly", "dev", "edge"}


def unless(is_good: Callable[[str], object], key: str, better: Callable[[str], str | None] = lambda _: None) -> Callable[[str], str]:
    """Return a check that refuses every other value, for the reason of that name; `better` gives one that would do."""

    def check(value: str) -> str:
        if not is_good(value):
            raise refused(key, value=value, instead=better(value))
        return value

    return check


def _matching(pattern: str, key: str) -> Callable[[str], str]:
    return unless(re.compile(pattern).fullmatch, key)


_label = _matching(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "label")
_label_value = unless(lambda value: not value or _LABEL_NAME.fullmatch(value), "label_value")
_not_ours = unless(lambda value: not _OUR_SECRETS.fullmatch(value), "our_secret")
_object_name = _matching(OBJECT.pattern, "object")
require_bucket_name = _matching(r"[a-z0-9][-a-z0-9]{1,61}[a-z0-9]", "bucket")
_product = unless(_LABEL_NAME.fullmatch, "gpu_product", lambda value: re.sub(r"[^-_.A-Za-z0-9]+", "-", value))
_root_path_segments = _matching(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*", "root_path")


def is_text_in_yaml(value: str) -> bool:
    """Whether every YAML parser, of version 1.1 or 1.2, reads the bare word as itself: not so for off, no, y, 1e3, 0x1f, `a # b`, ` a`."""
    for read in (float, lambda text: int(text, 0)):
        with suppress(ValueError):
            read(value)
            return False
    try:
        return value.lower() not in {"y", "n"} and bool(yaml.safe_load(value) == value)
    except (yaml.YAMLError, ValueError):
        return False


def label_key(value: str) -> str:
    """Refuse what is no key of a label or a taint; gives it back."""
    prefix, slash, name = value.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not OBJECT.fullmatch(prefix)):
        raise refused("label_key", value=value)
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, item in value.items():
        label_key(key)
        _label_value(item)
    return value


def _topology(value: tuple[str, ...]) -> tuple[str, ...]:
    for key in value:
        label_key(key)
    return each_once(value)


def each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice; gives it back."""
    if twice := next((each for each in value if value.count(each) > 1), None):
        raise refused("twice", name=twice)
    return value


def _root_path(value: str) -> str:
    _root_path_segments(value)
    if len(value) > _LONGEST_ROOT_PATH:
        raise refused("root_path_length", length=len(value), most=_LONGEST_ROOT_PATH)
    return value


def _image(value: str) -> str:
    match = _IMAGE.fullmatch(value)
    if match is None:
        raise refused("image")
    if not match["digest"] and (match["tag"] is None or match["tag"] in _FLOATING_TAGS):
        raise refused("image_tag")
    return value


def _mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    for registry, mirror in mirrors.items():
        if not _REGISTRY.fullmatch(registry):
            raise refused("registry", name=registry)
        if not _MIRROR.fullmatch(mirror):
            raise refused("mirror", name=mirror)
    return mirrors


def pem_of(ca_file: str | None) -> str:
    """Text of a certificate authority's file, "" without one."""
    return Path(ca_file).expanduser().read_text(encoding="ascii") if ca_file is not None else ""


def _ca_file(value: str) -> str:
    if not value:
        raise refused("file_empty")
    try:
        pem = pem_of(value)
    except UnicodeDecodeError:
        raise refused("file_binary") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise refused("file_unread", why=error.strerror if isinstance(error, OSError) else error) from None
    if "PRIVATE KEY" in pem:
        raise refused("file_key")
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise refused("file_no_certificate") from None
    return value


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


TEXT = AfterValidator(unless(is_text_in_yaml, "word"))
PRINTABLE = AfterValidator(unless(lambda text: text.isprintable() and text == text.strip() and not text.startswith("-"), "printable"))
Namespace = Annotated[str, AfterValidator(_label), AfterValidator(_matching(r"(?!default$|kube-).*", "own_namespace")), TEXT]
OtherNamespace = Annotated[str, AfterValidator(_label)]
BucketName = Annotated[str, AfterValidator(require_bucket_name), TEXT]
RootPath = Annotated[str, AfterValidator(_root_path), TEXT]
YamlText = Annotated[str, PRINTABLE, TEXT]
PlainText = Annotated[str, PRINTABLE]
ObjectName = Annotated[str, AfterValidator(_object_name), TEXT]
SecretName = Annotated[str, AfterValidator(_object_name)]
OptionalSecretName = Annotated[str, AfterValidator(lambda name: name and _object_name(_not_ours(name)))]
OperatorsSecret = Annotated[str, AfterValidator(_not_ours), AfterValidator(_object_name)]
"""Name of a Secret that the operator makes in the namespace of the stack, beside those of the stack."""
LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
TopologyKeys = Annotated[tuple[str, ...], AfterValidator(_topology)]
GpuProduct = Annotated[str, AfterValidator(_product)]
Image = Annotated[str, AfterValidator(_image)]
Mirrors = Annotated[dict[str, str], AfterValidator(_mirrors)]
CaFile = Annotated[str, AfterValidator(_ca_file)]
ServiceUrl = Annotated[str, AfterValidator(_url("https", "http"))]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
MilvusEndpoint = Annotated[str, AfterValidator(unless(lambda value: "[" not in value, "ipv6")), AfterValidator(_endpoint)]
ApiUrl = Annotated[str, AfterValidator(_url("https"))]
AdministrationUri = Annotated[str, AfterValidator(_administration_uri)]
HostPort = Annotated[str, AfterValidator(_host_port)]
HostPorts = Annotated[tuple[HostPort, ...], AfterValidator(each_once)]
HostName = Annotated[str, AfterValidator(_host), TEXT]
