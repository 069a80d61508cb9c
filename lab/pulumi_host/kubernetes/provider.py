"""The gRPC face of the plugin: translates Pulumi's calls into those of a handler, and errors into what the engine understands.

Names and their case are Pulumi's (`proto/pulumi/provider.proto`). What only the official plugin does answers UNIMPLEMENTED.
"""

# ruff: noqa: N802 - the names of the calls, and their case, are Pulumi's

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from . import diff, release
from .cluster import Cluster, Settings
from .errors import HalfMadeError, InvalidInputError, StandInError, UnsupportedError
from .handler import Handler, Operation, Progress, Proposal
from .helm import Helm
from .objects import Objects
from .waiting import Waiter
from .wire import dump, load, plain

SETTINGS = frozenset({"kubeconfig", "context", "namespace"})
HARMLESS_SETTINGS = frozenset(
    {
        "version",
        "pluginDownloadURL",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "enableServerSideApply",
        "upsertExistingObjects",
    }
)
REPLACING_SETTINGS = ("kubeconfig", "context")
SUFFIX_CHARACTERS = 8


def made_up_name(request: pb.CheckRequest) -> str:
    """Name for a resource that has none: the engine's proposal, else one from its random seed; empty where naming is switched off."""
    if request.HasField("autonaming"):
        off = request.autonaming.mode == pb.CheckRequest.AutonamingOptions.DISABLE
        return "" if off else request.autonaming.proposed_name
    digits = random.Random(bytes(request.randomSeed)).choices("0123456789abcdef", k=SUFFIX_CHARACTERS)  # noqa: S311 - a name, not a key
    return f"{request.name}-{''.join(digits)}"


def diff_response(found: diff.Difference) -> pb.DiffResponse:
    """A Difference in Pulumi's words."""
    kinds = {path: f"{kind}_REPLACE" if path in found.replaces else kind for path, kind in found.changes.items()}
    return pb.DiffResponse(
        changes=pb.DiffResponse.DIFF_SOME if kinds else pb.DiffResponse.DIFF_NONE,
        diffs=sorted({path.partition(".")[0].partition("[")[0] for path in kinds}),
        replaces=sorted(found.replaces),
        detailedDiff={path: pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(kind), inputDiff=True) for path, kind in kinds.items()},
        hasDetailedDiff=True,
        deleteBeforeReplace=found.delete_first,
    )


def half_made_status(error: HalfMadeError, fallback_id: str) -> status_pb2.Status:
    """Status that makes the engine keep the resource and try again next time."""
    found, id_ = error.snapshot, error.snapshot.id or fallback_id
    message = f"{id_} exists, but does not work yet: {error}"
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    detail = pb.ErrorResourceInitFailed(id=id_, properties=dump(found.state), inputs=dump(found.inputs), reasons=error.reasons)
    status.details.add().Pack(detail)
    return status


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One plugin process serves one provider resource."""

    def __init__(self, version: str, engine_address: str, private: Path, cancelled: threading.Event) -> None:
        self._version = version
        self._engine_address = engine_address
        self._private = private
        self._cancelled = cancelled
        self._objects: Handler
        self._releases: Handler

    def Handshake(self, request: pb.ProviderHandshakeRequest, _context: grpc.ServicerContext) -> pb.ProviderHandshakeResponse:
        """Secrets come as such; output values do not."""
        self._engine_address = request.engine_address or self._engine_address
        return pb.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Attach(self, request: plugin_pb2.PluginAttach, _context: grpc.ServicerContext) -> Empty:
        """An engine that did not start us says where it is."""
        self._engine_address = request.address
        return Empty()

    def GetPluginInfo(self, _request: Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Version of the official plugin whose place this takes."""
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, _request: pb.GetSchemaRequest, _context: grpc.ServicerContext) -> pb.GetSchemaResponse:
        """Name and version only: programs bring their SDK."""
        return pb.GetSchemaResponse(schema=json.dumps({"name": "kubernetes", "version": self._version}))

    def CheckConfig(self, request: pb.CheckRequest, _context: grpc.ServicerContext) -> pb.CheckResponse:
        """Settings of the provider; one that would be ignored is refused."""
        unknown = sorted(set(load(request.news)) - SETTINGS - HARMLESS_SETTINGS)
        reason = "needs the official kubernetes plugin; the lab's stand-in knows " + ", ".join(sorted(SETTINGS))
        return pb.CheckResponse(inputs=request.news, failures=[pb.CheckFailure(property=name, reason=reason) for name in unknown])

    def DiffConfig(self, request: pb.DiffRequest, _context: grpc.ServicerContext) -> pb.DiffResponse:
        """Another kubeconfig or context may be another cluster, where everything must be made anew."""
        return diff_response(diff.compare(plain(load(request.olds)), plain(load(request.news)), REPLACING_SETTINGS, request.ignoreChanges))

    def Configure(self, request: pb.ConfigureRequest, _context: grpc.ServicerContext) -> pb.ConfigureResponse:
        """Take the settings; the cluster is contacted when the first resource needs it."""
        given = plain(load(request.args))
        cluster = Cluster(Settings(**{key: str(given.get(key) or "") for key in SETTINGS}), self._private)
        progress = Progress(self._engine_address)
        waiter = Waiter(cluster, progress, self._cancelled)
        takes_over = str(given.get("upsertExistingObjects", "")).lower() == "true"
        self._objects = Objects(cluster, waiter, takes_over=takes_over)
        self._releases = release.Releases(cluster, Helm(cluster, self._private, self._cancelled), waiter, progress)
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True)

    def Check(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        """Complete inputs, or what is wrong with them."""
        proposal = Proposal(request.type, request.name, load(request.news), load(request.olds), made_up_name(request))
        with _errors_for(context):
            try:
                return pb.CheckResponse(inputs=dump(self._handler(request.type).check(proposal)))
            except InvalidInputError as error:
                return pb.CheckResponse(inputs=request.news, failures=[pb.CheckFailure(property=error.path, reason=str(error))])

    def Diff(self, request: pb.DiffRequest, context: grpc.ServicerContext) -> pb.DiffResponse:
        """What an update would change."""
        with _errors_for(context):
            return diff_response(self._handler(request.type).diff(load(request.olds), load(request.news), request.ignoreChanges))

    def Create(self, request: pb.CreateRequest, context: grpc.ServicerContext) -> pb.CreateResponse:
        """Make it."""
        operation = Operation(request.urn, request.type, load(request.properties), {}, request.timeout, request.preview)
        with _errors_for(context):
            made = self._handler(request.type).apply(operation)
            return pb.CreateResponse(id=made.id, properties=dump(made.state))

    def Update(self, request: pb.UpdateRequest, context: grpc.ServicerContext) -> pb.UpdateResponse:
        """Change it."""
        operation = Operation(request.urn, request.type, load(request.news), load(request.olds), request.timeout, request.preview)
        with _errors_for(context, request.id):
            return pb.UpdateResponse(properties=dump(self._handler(request.type).apply(operation).state))

    def Read(self, request: pb.ReadRequest, context: grpc.ServicerContext) -> pb.ReadResponse:
        """What is there; an empty answer says that it is gone."""
        with _errors_for(context, request.id):
            handler, state, inputs = self._handler(request.type), load(request.properties), load(request.inputs)
            found = handler.read(request.urn, request.type, request.id, state, inputs)
            return pb.ReadResponse(id=found.id, properties=dump(found.state), inputs=dump(found.inputs)) if found else pb.ReadResponse()

    def Delete(self, request: pb.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Make it go away."""
        operation = Operation(request.urn, request.type, {}, load(request.properties), request.timeout)
        with _errors_for(context, request.id):
            self._handler(request.type).delete(operation)
        return Empty()

    def Construct(self, request: pb.ConstructRequest, context: grpc.ServicerContext) -> NoReturn:
        """Components such as helm.sh/v4:Chart."""
        _abort(
            context, UnsupportedError(f"{request.type} needs the official kubernetes plugin; the lab's stand-in knows helm.sh/v3:Release")
        )

    def Invoke(self, request: pb.InvokeRequest, context: grpc.ServicerContext) -> NoReturn:
        """Functions such as kubernetes:yaml:decode."""
        _abort(context, UnsupportedError(f"the function {request.tok} needs the official kubernetes plugin"))

    def Cancel(self, _request: Empty, _context: grpc.ServicerContext) -> Empty:
        """End every wait."""
        self._cancelled.set()
        return Empty()

    def GetMapping(self, _request: pb.GetMappingRequest, _context: grpc.ServicerContext) -> pb.GetMappingResponse:
        """No converter needs one."""
        return pb.GetMappingResponse()

    def GetMappings(self, _request: pb.GetMappingsRequest, _context: grpc.ServicerContext) -> pb.GetMappingsResponse:
        """No converter needs one."""
        return pb.GetMappingsResponse()

    def _handler(self, type_: str) -> Handler:
        return self._releases if type_ == release.TYPE else self._objects


@contextmanager
def _errors_for(context: grpc.ServicerContext, id_: str = "") -> Iterator[None]:
    try:
        yield
    except HalfMadeError as error:
        status = half_made_status(error, id_)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, status.message)
    except StandInError as error:
        _abort(context, error)


def _abort(context: grpc.ServicerContext, error: StandInError) -> NoReturn:
    code = grpc.StatusCode.UNIMPLEMENTED if isinstance(error, UnsupportedError) else grpc.StatusCode.FAILED_PRECONDITION
    context.abort(code, str(error))
    raise AssertionError("abort raises") from error
