"""Property values on the wire: protobuf Structs to plain data and back, with secrets and unknowns kept apart.

A value is what JSON can hold, or `Secret(value)` around such a value. An unknown is one of Pulumi's fixed strings and travels as it is.
Signatures and unknowns: `sdk/go/common/resource/plugin/rpc.go` and `resource/properties.go` of Pulumi.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue

Value = Any
"""What JSON can hold, or a Secret around it: too open for a checker to follow."""
Object = dict[str, Any]

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - marks a secret, is none
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Unknown string, the one that fits everywhere: in a preview the SDK turns any of them into an unknown output."""
UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
    }
)


@dataclass(frozen=True)
class Secret:
    """A value that the engine must encrypt in the state and hide on the screen."""

    value: Value


def load(struct: Struct) -> Object:
    """Plain data of a Struct. Whole numbers become integers again: a Struct only knows floats, Kubernetes refuses `replicas: 1.0`."""
    return {key: _load_value(value) for key, value in struct.fields.items()}


def _load_value(value: StructValue) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        loaded = load(value.struct_value)
        return Secret(loaded.get("value")) if loaded.get(SIGNATURE_KEY) == SECRET_SIGNATURE else loaded
    if kind == "list_value":
        return [_load_value(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in (None, "null_value") else getattr(value, kind)


def dump(data: Object) -> Struct:
    """Struct of plain data."""
    struct = Struct()
    struct.update(_encode(data))
    return struct


def _encode(value: Value) -> Value:
    if isinstance(value, Secret):
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "value": _encode(value.value)}
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    return [_encode(item) for item in value] if isinstance(value, list) else value


def plain(value: Value) -> Value:
    """The same data with secrets laid open: for the API server and for comparing, never for the state."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def without_nulls(value: Value) -> Value:
    """The same data without keys that are null: the SDK sends them for arguments that were not given."""
    if isinstance(value, Secret):
        return Secret(without_nulls(value.value))
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def has_unknown(value: Value) -> bool:
    """Whether anything inside is known only after the update."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    return any(has_unknown(item) for item in value) if isinstance(value, list) else isinstance(value, str) and value in UNKNOWNS


def has_secret(value: Value) -> bool:
    """Whether anything inside is secret."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    return any(has_secret(item) for item in value) if isinstance(value, list) else isinstance(value, Secret)


def mark(value: Value, like: Value) -> Value:
    """`value` with everything secret that is secret at the same place in `like`; lists of another length become secret whole."""
    if isinstance(value, Secret):
        return value
    if isinstance(like, Secret):
        return Secret(value)
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: mark(item, like[key]) if key in like else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [mark(item, other) for item, other in zip(value, like, strict=True)]
    return Secret(value) if has_secret(like) else value


def mark_object(manifest: Object, like: Object) -> Object:
    """`mark`, and the data of a Kubernetes Secret is secret whether or not the program said so."""
    marked: Object = mark(manifest, like)
    if marked.get("kind") != "Secret":
        return marked
    return {key: Secret(item) if key in ("data", "stringData") and not isinstance(item, Secret) else item for key, item in marked.items()}
