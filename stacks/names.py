"""Which strings are safe as names: each check prevents one accident, and says which. Pure."""

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import yaml
from pydantic import AfterValidator

from stacks.problems import WrongValueError

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][-a-z0-9]{1,61}[a-z0-9]")
_ROOT_PATH = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*")
_IMAGE = re.compile(r"[a-z0-9][-._a-z0-9]*(:\d+)?(/[a-z0-9][-._a-z0-9]*)*(:(?P<tag>[\w][-.\w]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?")
_REGISTRY = re.compile(r"[a-z0-9][-a-z0-9]*((\.[a-z0-9][-a-z0-9]*)+(:\d+)?|:\d+)")
_MIRROR = re.compile(_REGISTRY.pattern + r"(/[a-z0-9][-._a-z0-9]*)*")
_OBJECT = re.compile(r"(?=.{1,253}$)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_ALL_DIGITS = re.compile(r"[\d.]+")
_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?):(?P<port>[1-9]\d{0,4})")
_OUR_SECRETS = re.compile(r"(milvus|documents)-store(-.*)?|milvus-root|milvus-.*-(search|ingest|admin)|milvus-(search|ingest|admin)")
_LAST_PORT = 65535
_LONGEST_ROOT_PATH = 256
_REFUSED = "Kubernetes would refuse the objects, in the middle of `pulumi up`"
_UNREACHED = "nothing would ever be reached there"
_CLEAR_TEXT = "keys and documents would cross the network in clear text"
_FLOATING_TAGS = {"latest", "stable", "main", "master", "nightly", "dev", "edge"}


def is_text_in_yaml(value: str) -> bool:
    """Whether every YAML parser, of version 1.1 or 1.2, reads the bare word as itself: not so for off, no, y, 1e3, 0x1f, `a # b`, ` a`."""
    if value.lower() in {"y", "n"} or _is_number(value):
        return False
    try:
        return bool(yaml.safe_load(value) == value)
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
        raise WrongValueError("settings.text", "is no plain word", "a chart that writes it without quotes turns it into something else")
    return value


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip() or value.startswith("-"):
        reason = "has a space at an end, an unprintable character, or a dash in front"
        raise WrongValueError("settings.text", reason, "a program that gets it as an argument takes it for something else")
    return value


def _is_label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise WrongValueError("settings.name", "is no Kubernetes name: at most 63 lower-case letters, digits and dashes", _REFUSED)
    return value


def _is_ours(value: str) -> str:
    if value == "default" or value.startswith("kube-"):
        raise WrongValueError("settings.name", "belongs to the cluster", "`pulumi destroy` would delete it")
    return value


def _object_name(value: str) -> str:
    if not _OBJECT.fullmatch(value):
        reason = "is no name of an object: at most 253 lower-case letters, digits, dashes and dots, a letter or digit at both ends"
        raise WrongValueError("settings.name", reason, _REFUSED)
    return value


def _operators_secret(value: str) -> str:
    if _OUR_SECRETS.fullmatch(value):
        breaks = "it would be overwritten, mounted as a certificate, or its keys shown to another system as a login"
        raise WrongValueError("settings.our_secret", "is a Secret that the stack makes itself, with keys or passwords in it", breaks)
    return _object_name(value)


def _secret_or_none(value: str) -> str:
    return _operators_secret(value) if value else value


def label_key(value: str) -> str:
    """Refuse what is no key of a label or a taint; gives it back."""
    prefix, slash, name = value.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not _OBJECT.fullmatch(prefix)):
        reason = "is no key of a label: [domain/]name, the name of at most 63 letters, digits, dashes, dots and underscores"
        raise WrongValueError("settings.label", f"{value!r} {reason}", _REFUSED)
    return value


def label_value(value: str) -> str:
    """Refuse what is no value of a label or a taint; gives it back."""
    if value and not _LABEL_NAME.fullmatch(value):
        reason = "is no value of a label: at most 63 letters, digits, dashes, dots and underscores, a letter or digit at both ends"
        raise WrongValueError("settings.label", f"{value!r} {reason}", _REFUSED)
    return value


def _product(value: str) -> str:
    if not _LABEL_NAME.fullmatch(value):
        reason = "is no value of the label nvidia.com/gpu.product, which has dashes in place of spaces"
        raise WrongValueError("settings.label", reason, "no node could have it", instead=re.sub(r"[^-_.A-Za-z0-9]+", "-", value))
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, item in value.items():
        label_key(key)
        label_value(item)
    return value


def _topology(value: tuple[str, ...]) -> tuple[str, ...]:
    for key in value:
        label_key(key)
    if len(set(value)) != len(value):
        raise WrongValueError("settings.duplicate", "names a label twice", "Kubernetes refuses the pods")
    return value


def require_bucket_name(value: str) -> str:
    """Refuse what some part of the way cannot carry; gives the name back."""
    if not _BUCKET.fullmatch(value):
        reason = f"{value!r} is no safe bucket name: 3 to 63 lower-case letters, digits and dashes"
        raise WrongValueError("settings.bucket", reason, "a dot would break TLS host names, anything else the store refuses")
    return value


def _root_path(value: str) -> str:
    if not _ROOT_PATH.fullmatch(value):
        reason = "must be path segments of letters, digits, dash, dot and underscore, without a slash at either end"
        raise WrongValueError("settings.root_path", reason, "Milvus would not find its own objects again")
    if len(value) > _LONGEST_ROOT_PATH:
        breaks = "keys of S3 end at 1,024, and Milvus puts names of its own behind it"
        raise WrongValueError("settings.root_path", f"has {len(value)} characters, more than {_LONGEST_ROOT_PATH}", breaks)
    return value


def _address(value: str, schemes: tuple[str, ...], *, from_pods: bool = True) -> SplitResult:
    """Refuse an address that no program reaches, whatever stands behind host and port; gives its parts.

    The loopback is refused where pods are to reach it.
    """
    scheme = value.partition("://")[0]
    if scheme.lower() not in schemes:
        text = " or ".join(f"{each}://" for each in schemes)
        raise WrongValueError("settings.scheme", f"must begin with {text}", _CLEAR_TEXT if schemes == ("https",) else _UNREACHED)
    if not value.isascii() or any(letter.isspace() or not letter.isprintable() for letter in value):
        raise WrongValueError("settings.host", "has a space or another character that no address has", _UNREACHED)
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise WrongValueError(
            "settings.port", f"has no port between 1 and 65535, or no address in its brackets: {error}", _UNREACHED
        ) from None
    if "@" in url.netloc or url.query or url.fragment:
        raise WrongValueError(
            "settings.address", "must be without a user, a query or a fragment: a key has its own file", "it would be dropped"
        )
    if port == 0 or url.netloc.endswith(":") or re.search(r":0\d", url.netloc.rpartition("]")[2]):
        raise WrongValueError("settings.port", "has no port between 1 and 65535, written without zeros in front", _UNREACHED)
    if scheme != scheme.lower() or url.netloc != url.netloc.lower():
        lower = f"{scheme.lower()}://{url.netloc.lower()}{url.path}"
        raise WrongValueError(
            "settings.capitals", "has capital letters before the path", "requests are signed for the name as it is spelt", instead=lower
        )
    if from_pods or not _is_loopback(url.hostname or ""):
        _host(url.hostname or "")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(host: str) -> None:
    """Refuse a host that a pod cannot reach."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _OBJECT.fullmatch(host) or ".." in host or _ALL_DIGITS.fullmatch(host):
            reason = "has no host name: letters, digits and dashes between dots, no underscore, no dot at the end"
            raise WrongValueError("settings.host", reason, "certificates and name servers know no other names") from None
        if host == "localhost":
            raise WrongValueError("settings.host", "is the loopback", "inside a pod that is the pod itself") from None
        return
    if address.is_loopback:
        raise WrongValueError("settings.host", "is the loopback", "inside a pod that is the pod itself")
    if address.is_unspecified or address.is_multicast:
        raise WrongValueError("settings.host", "is no address of one machine", _UNREACHED)


def _host_name(value: str) -> str:
    _host(value)
    return _text(value)


def _endpoint(value: str) -> str:
    url = _address(value, ("https",))
    if url.path.strip("/"):
        raise WrongValueError("settings.address", "must be https://host[:port] and nothing else", "a path would be dropped")
    return value.rstrip("/")


def _milvus_endpoint(value: str) -> str:
    if "[" in value:
        breaks = "Milvus takes an address with colons as it is, without the port, and never reaches it"
        raise WrongValueError("settings.ipv6", "is an IPv6 address; give the store a host name", breaks)
    return _endpoint(value)


def _api_url(value: str) -> str:
    _address(value, ("https",))
    return value.rstrip("/")


def _service_url(value: str) -> str:
    _address(value, ("https", "http"))
    return value.rstrip("/")


def _administration_uri(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or not _port(url):
        raise WrongValueError("settings.address", "must be http://host:port or https://host:port", _UNREACHED)
    if f"{url.scheme}://{url.netloc}" != value or "@" in url.netloc:
        raise WrongValueError("settings.address", "must be http(s)://host:port and nothing else", "a user or a path would be dropped")
    return value


def _repository_url(value: str) -> str:
    """Of charts: this machine reads it, so its own loopback will do."""
    _address(value, ("https", "http"), from_pods=False)
    return value


def _port(url: SplitResult) -> int | None:
    try:
        return url.port
    except ValueError:
        return None


def _host_port(value: str) -> str:
    found = _HOST_PORT.fullmatch(value)
    if found is None or int(found["port"]) > _LAST_PORT:
        reason = "must be host:port, without a scheme or a path, the port from 1 to 65535 without zeros in front"
        raise WrongValueError("settings.address", reason, _UNREACHED)
    _host(found["host"].lower())
    return value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        twice = next(each for each in value if value.count(each) > 1)
        raise WrongValueError("settings.duplicate", f"names {twice!r} twice", "one member would be taken for two")
    return value


def _image(value: str) -> str:
    found = _IMAGE.fullmatch(value)
    if found is None:
        raise WrongValueError("settings.image", "is no image reference", "no node could pull it")
    if not found["digest"] and (found["tag"] is None or found["tag"] in _FLOATING_TAGS):
        breaks = "two pods of one release may run different programs"
        raise WrongValueError("settings.image", "needs a digest or a tag that does not move", breaks)
    return value


def require_mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    """Refuse what is no registry, or no mirror of one; gives them back."""
    for registry, mirror in mirrors.items():
        if not _REGISTRY.fullmatch(registry):
            reason = f"{registry!r} is no registry: a host name with a dot or a port, such as docker.io, without scheme or path"
            raise WrongValueError("settings.registry", reason, "no image would be found at its mirror")
        if not _MIRROR.fullmatch(mirror):
            reason = f"{mirror!r} is no mirror: HOST[:PORT][/PATH] in lower case, without scheme, tag or a slash at the end"
            raise WrongValueError("settings.registry", reason, "no image would be found there")
    return mirrors


def _ca_file(value: str) -> str:
    if not value:
        raise WrongValueError("settings.file", "is empty", "leave it out where the public authorities do")
    try:
        pem = Path(value).expanduser().read_text(encoding="ascii")
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            reason = "is no PEM text; convert it: openssl x509 -inform der -in FILE -out ca.crt"
            raise WrongValueError("settings.file", reason, "nobody could check the certificate") from None
        reason = f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
        raise WrongValueError("settings.file", reason, "nobody could check the certificate") from None
    if "PRIVATE KEY" in pem:
        raise WrongValueError("settings.file", "holds a private key", "everything in it would be published in a ConfigMap")
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise WrongValueError("settings.file", "holds no certificate in PEM form", "nobody could check the certificate") from None
    return value


Namespace = Annotated[str, AfterValidator(_is_label), AfterValidator(_is_ours), AfterValidator(_text)]
OtherNamespace = Annotated[str, AfterValidator(_is_label)]
BucketName = Annotated[str, AfterValidator(require_bucket_name), AfterValidator(_text)]
RootPath = Annotated[str, AfterValidator(_root_path), AfterValidator(_text)]
YamlText = Annotated[str, AfterValidator(_printable), AfterValidator(_text)]
PlainText = Annotated[str, AfterValidator(_printable)]
ObjectName = Annotated[str, AfterValidator(_object_name), AfterValidator(_text)]
SecretName = Annotated[str, AfterValidator(_object_name)]
OptionalSecretName = Annotated[str, AfterValidator(_secret_or_none)]
OperatorsSecret = Annotated[str, AfterValidator(_operators_secret)]
"""Name of a Secret that the operator makes in the namespace of the stack, beside those of the stack."""
LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(label_value)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
TopologyKeys = Annotated[tuple[str, ...], AfterValidator(_topology)]
GpuProduct = Annotated[str, AfterValidator(_product)]
ServiceUrl = Annotated[str, AfterValidator(_service_url)]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
MilvusEndpoint = Annotated[str, AfterValidator(_milvus_endpoint)]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
AdministrationUri = Annotated[str, AfterValidator(_administration_uri)]
HostPort = Annotated[str, AfterValidator(_host_port)]
HostPorts = Annotated[tuple[HostPort, ...], AfterValidator(_each_once)]
HostName = Annotated[str, AfterValidator(_host_name)]
Image = Annotated[str, AfterValidator(_image)]
CaFile = Annotated[str, AfterValidator(_ca_file)]
