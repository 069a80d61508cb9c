"""Words that the provider service and the two kinds of resources share."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from .diff import Difference
from .errors import Snapshot
from .wire import Object


@dataclass(frozen=True)
class Proposal:
    """Inputs of a program, to be completed and checked before anything is done."""

    type: str
    name: str
    inputs: Object
    previous: Object
    """Inputs of last time; empty for a new resource."""
    proposed_name: str
    """Name for a resource that has none; empty where the project has switched that off."""


@dataclass(frozen=True)
class Operation:
    """One create, update or delete."""

    urn: str
    type: str
    inputs: Object
    state: Object = field(default_factory=dict)
    """Outputs of last time; empty for a new resource."""
    timeout_s: float = 0
    """`customTimeouts` of the resource; 0: none given."""
    preview: bool = False


class Handler(Protocol):
    """One kind of resource. Everything is plain data with `wire.Secret` inside; failures are `errors`."""

    def check(self, proposal: Proposal) -> Object:
        """Complete inputs."""

    def diff(self, state: Object, news: Object, ignored: Iterable[str]) -> Difference:
        """What an update would change."""

    def apply(self, operation: Operation) -> Snapshot:
        """Create or update; in a preview, only find out what would come of it."""

    def read(self, urn: str, type_: str, id_: str, state: Object, inputs: Object) -> Snapshot | None:
        """What is there now; None: nothing."""

    def delete(self, operation: Operation) -> None:
        """Make it go away; nothing there is fine."""


class Progress:
    """Lines on the engine's display, so that a long wait shows that it lives."""

    def __init__(self, engine_address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address)) if engine_address else None
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}

    def status(self, urn: str, text: str) -> None:
        """Show what is being waited for beside the resource, until the next line; repeats are dropped."""
        with self._lock:
            repeated = self._shown.get(urn) == text
            self._shown[urn] = text
        if not repeated:
            self._log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=True))

    def _log(self, request: engine_pb2.LogRequest) -> None:
        if self._stub is None:
            return
        try:
            self._stub.Log(request)
        except grpc.RpcError:
            self._stub = None  # the engine is going away; so shall we
