"""Which strings are safe as names: each check prevents one accident, and says which. Pure; addresses are in `addresses`."""

import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator

from stacks.problems import WrongValueError

OBJECT = re.compile(r"(?=.{1,253}$)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][-._a-z0-9]*(:\d+)?(/[a-z0-9][-._a-z0-9]*)*(:(?P<tag>[\w][-.\w]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?")
_REGISTRY = re.compile(r"[a-z0-9][-a-z0-9]*((\.[a-z0-9][-a-z0-9]*)+(:\d+)?|:\d+)")
_MIRROR = re.compile(_REGISTRY.pattern + r"(/[a-z0-9][-._a-z0-9]*)*")
_OUR_SECRETS = re.compile(r"(milvus|documents)-store(-.*)?|milvus-root|milvus-.*-(search|ingest|admin)|milvus-(search|ingest|admin)")
_LONGEST_ROOT_PATH = 256
_REFUSED = "Kubernetes would refuse the objects, in the middle of `pulumi up`"
_UNCHECKED = "nobody could check the certificate"
_FLOATING_TAGS = {"latest", "stable", "main", "master", "nightly", "dev", "edge"}


def _matching(pattern: str, code: str, wrong: str, breaks: str) -> Callable[[str], str]:

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise WrongValueError(code, wrong, breaks)
        return value

    return check


_label = _matching(
    r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    "settings.name",
    "is no Kubernetes name: at most 63 lower-case letters, digits and dashes",
    _REFUSED,
)
_object_name = _matching(
    OBJECT.pattern,
    "settings.name",
    "is no name of an object: at most 253 lower-case letters, digits, dashes and dots, a letter or digit at both ends",
    _REFUSED,
)
require_bucket_name = _matching(
    r"[a-z0-9][-a-z0-9]{1,61}[a-z0-9]",
    "settings.bucket",
    "is no safe bucket name: 3 to 63 lower-case letters, digits and dashes",
    "a dot would break TLS host names, anything else the store refuses",
)
_root_path_segments = _matching(
    r"[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*",
    "settings.root_path",
    "must be path segments of letters, digits, dash, dot and underscore, without a slash at either end",
    "Milvus would not find its own objects again",
)


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


def _own_namespace(value: str) -> str:
    if value == "default" or value.startswith("kube-"):
        raise WrongValueError("settings.name", "belongs to the cluster", "`pulumi destroy` would delete it")
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
    if not _LABEL_NAME.fullmatch(name) or (slash and not OBJECT.fullmatch(prefix)):
        reason = "is no key of a label: [domain/]name, the name of at most 63 letters, digits, dashes, dots and underscores"
        raise WrongValueError("settings.label", f"{value!r} {reason}", _REFUSED)
    return value


def _label_value(value: str) -> str:
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
        _label_value(item)
    return value


def _topology(value: tuple[str, ...]) -> tuple[str, ...]:
    for key in value:
        label_key(key)
    return each_once(value)


def each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice; gives it back."""
    if twice := next((each for each in value if value.count(each) > 1), None):
        raise WrongValueError("settings.duplicate", f"names {twice!r} twice", "one would be taken for two, or Kubernetes refuses the pods")
    return value


def _root_path(value: str) -> str:
    _root_path_segments(value)
    if len(value) > _LONGEST_ROOT_PATH:
        breaks = "keys of S3 end at 1,024, and Milvus puts names of its own behind it"
        raise WrongValueError("settings.root_path", f"has {len(value)} characters, more than {_LONGEST_ROOT_PATH}", breaks)
    return value


def _image(value: str) -> str:
    match = _IMAGE.fullmatch(value)
    if match is None:
        raise WrongValueError("settings.image", "is no image reference", "no node could pull it")
    if not match["digest"] and (match["tag"] is None or match["tag"] in _FLOATING_TAGS):
        breaks = "two pods of one release may run different programs"
        raise WrongValueError("settings.image", "needs a digest or a tag that does not move", breaks)
    return value


def _mirrors(mirrors: dict[str, str]) -> dict[str, str]:
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
    except UnicodeDecodeError:
        reason = "is no PEM text; convert it: openssl x509 -inform der -in FILE -out ca.crt"
        raise WrongValueError("settings.file", reason, _UNCHECKED) from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
        raise WrongValueError("settings.file", reason, _UNCHECKED) from None
    if "PRIVATE KEY" in pem:
        raise WrongValueError("settings.file", "holds a private key", "everything in it would be published in a ConfigMap")
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise WrongValueError("settings.file", "holds no certificate in PEM form", _UNCHECKED) from None
    return value


TEXT, PRINTABLE = AfterValidator(_text), AfterValidator(_printable)
Namespace = Annotated[str, AfterValidator(_label), AfterValidator(_own_namespace), TEXT]
OtherNamespace = Annotated[str, AfterValidator(_label)]
BucketName = Annotated[str, AfterValidator(require_bucket_name), TEXT]
RootPath = Annotated[str, AfterValidator(_root_path), TEXT]
YamlText = Annotated[str, PRINTABLE, TEXT]
PlainText = Annotated[str, PRINTABLE]
ObjectName = Annotated[str, AfterValidator(_object_name), TEXT]
SecretName = Annotated[str, AfterValidator(_object_name)]
OptionalSecretName = Annotated[str, AfterValidator(_secret_or_none)]
OperatorsSecret = Annotated[str, AfterValidator(_operators_secret)]
"""Name of a Secret that the operator makes in the namespace of the stack, beside those of the stack."""
LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
TopologyKeys = Annotated[tuple[str, ...], AfterValidator(_topology)]
GpuProduct = Annotated[str, AfterValidator(_product)]
Image = Annotated[str, AfterValidator(_image)]
Mirrors = Annotated[dict[str, str], AfterValidator(_mirrors)]
CaFile = Annotated[str, AfterValidator(_ca_file)]
