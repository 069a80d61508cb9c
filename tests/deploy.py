"""Run a Pulumi program against a recording monitor and get back what it declared, as plain data.

Pulumi's own pattern for tests checks nothing when a test forgets to return an Output; here a test is plain asserts on data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc

from stacks.rendering import run_under

STACK = "test"
NAMESPACE_UID = "0b1c2d3e"
SECRET_KEY = "made-by-the-store"  # a recognisable value, so that a test can look for it everywhere
API_KEY = "made-for-a-service"  # as above
COSI_BUCKET = "bc-named-by-cosi"
ROOT_PASSWORD = "made-by-the-provider"
_OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi-python:dynamic/milvus:User": {"password": "made-for-a-user"},
    "pulumi-python:dynamic/milvus:Password": {"password": ROOT_PASSWORD},
    "kubernetes:core/v1:Namespace": {"metadata": {"name": "rag", "uid": NAMESPACE_UID}},
    **{
        f"pulumi-python:dynamic/{driver}:Credential": {"access_key": "AKIATEST", "secret_key": SECRET_KEY, "generation": "g1"}
        for driver in ("s3", "existing", "greenlake", "cosi")
    },
    "pulumi-python:dynamic/cosi:BucketClaim": {"bucket": COSI_BUCKET},
    "pulumi-python:dynamic/keys:Generated": {"value": API_KEY, "generation": "k1"},
}


@dataclass
class Declared:
    """One registered resource."""

    type: str
    name: str
    parent: str  # logical name of the parent; "" for the stack itself
    inputs: Mapping[str, Any]  # secrets unwrapped
    secrets: frozenset[str]  # top-level inputs that are or hold a secret
    request: Any  # as it went over the wire, for options such as protect
    outputs_registered: int = field(default=0)  # calls of register_outputs; a component owes exactly one


class RecordingMonitor(mocks.MockMonitor):
    """Answers like Pulumi's own mock monitor and remembers every registration."""

    def __init__(self, stand_in: pulumi.runtime.Mocks) -> None:
        super().__init__(stand_in)
        self.declared: dict[str, Declared] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  gRPC names
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # Pulumi's mocks have no types here
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object)
            secrets = frozenset(key for key, value in inputs.items() if _holds_secret(value))
            parent = request.parent.rpartition("::")[2] if "pulumi:pulumi:Stack" not in request.parent.split("::")[2:3] else ""
            self.declared[response.urn] = Declared(request.type, request.name, parent, _plain(inputs), secrets, request)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  gRPC names
        if request.urn in self.declared:
            self.declared[request.urn].outputs_registered += 1
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # as above


class Echo(pulumi.runtime.Mocks):
    """Answers with the inputs, plus the outputs that a real provider would add for that type."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", {**args.inputs, **_OUTPUTS.get(args.typ, {})}

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        raise AssertionError(f"unexpected invoke {args.token}: components must not depend on one")


def deploy(program: Callable[[], Any]) -> list[Declared]:
    """Run `program` to its end, every `apply` included; an error inside `apply` is raised here."""
    monitor = RecordingMonitor(Echo())
    run_under(monitor, program, stack=STACK, preview=False)
    return list(monitor.declared.values())


def resolved(program: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Deploy `program` and give the values of the outputs that it returns."""
    seen: dict[str, Any] = {}
    deploy(lambda: pulumi.Output.all(**program()).apply(seen.update))
    return seen


def _plain(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _holds_secret(value: Any) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(_holds_secret, items))
