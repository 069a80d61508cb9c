"""What a stack declares, as plain manifests, without engine, plugin, cluster, store and network; and what Helm makes of the release.

Runs the program against a recording monitor. Owns the placeholders: a secret is never known here, and what only a running system can answer
(an id, a generation) is said to be so. Refuses a program that asks a provider a question, since the answer would have to be invented.
A chart that is at hand is rendered by `helm template`; else a note says how to get it.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc

from policies.subject import Subject
from stacks import blueprint
from stacks.environments import Environment
from stacks.images import chart
from stacks.images.chart import Release
from stacks.problems import SettingsError, text_of
from stacks.yaml_files import dump

RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "<secret>"  # noqa: S105  says that there is one
UNKNOWN = "<known after pulumi up>"
_PROJECT = "milvus-x10000"
_STACK_TYPE = "pulumi:pulumi:Stack"
_PICKLED_PROVIDER = "__provider"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One resource, as the program asks for it."""

    type: str  # Pulumi's token, such as `kubernetes:apps/v1:Deployment`
    name: str  # logical name
    custom: bool  # made by a provider; False for a component, which is only a frame
    inputs: Mapping[str, Any]  # plain data, with placeholders
    protect: bool  # neither `destroy` nor a replacement may delete it
    retain: bool  # stays when the stack is destroyed


def declare(stack: str, program: Callable[[], Any]) -> list[Declared]:
    """Run `program` as `pulumi preview` would, and return what it declares, sorted; SettingsError where it asks a provider."""
    monitor = _Monitor(_Answers())
    run_under(monitor, program, stack=stack, preview=True)
    return sorted(monitor.declared, key=lambda item: (item.type, item.name))


def of_environment(environment: Environment) -> list[Declared]:
    """Everything that the environment declares."""
    return declare(environment.name, lambda: blueprint.build(environment.settings))


def release(environment: Environment) -> Release:
    """Return the release of Milvus; the blueprint has exactly one."""
    (item,) = (item for item in of_environment(environment) if item.type == RELEASE)
    return as_release(item)


def as_release(item: Declared) -> Release:
    """Read a release from what was declared."""
    fields = {name: item.inputs[name] for name in ("name", "namespace", "chart", "version")}
    return Release(**fields, repository=item.inputs.get("repositoryOpts", {}).get("repo"), values=dict(item.inputs["values"]))


def run_under(monitor: mocks.MockMonitor, program: Callable[[], Any], *, stack: str, preview: bool) -> None:
    """Run `program` to its end with `monitor` in the place of the engine, every `apply` included; an error inside one is raised here."""
    asyncio.set_event_loop(_loop())
    pulumi.runtime.set_mocks(monitor.mocks, project=_PROJECT, stack=stack, preview=preview, monitor=monitor)

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # Pulumi's mocks have no types here


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for the life of the process: Pulumi gives each worker thread of it a loop that nobody closes, so the threads have to stay."""
    return asyncio.new_event_loop()


class _Monitor(mocks.MockMonitor):
    """Remembers every registration."""

    def __init__(self, answers: pulumi.runtime.Mocks) -> None:
        super().__init__(answers)
        self.declared: list[Declared] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802  gRPC's name and types
        if request.type != _STACK_TYPE:
            given = rpc.deserialize_properties(request.object, keep_unknowns=True)
            inputs = {key: _plain(value) for key, value in given.items() if key != _PICKLED_PROVIDER}
            options = {"protect": request.protect, "retain": request.retainOnDelete}
            self.declared.append(Declared(type=request.type, name=request.name, custom=request.custom, inputs=inputs, **options))
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # as above


class _Answers(pulumi.runtime.Mocks):
    """Answers with the inputs, as a provider does in a preview; an object of Kubernetes also gets a placeholder for its uid."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        metadata = args.inputs.get("metadata")
        if not isinstance(metadata, Mapping):
            return f"{args.name}-id", args.inputs
        return f"{args.name}-id", {**args.inputs, "metadata": {**metadata, "uid": f"<uid of {args.name}>"}}

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:  # noqa: ANN401  Pulumi's own type
        raise SettingsError(f"the program asks {args.token}, which only a running provider can answer: use `pulumi preview` instead")


def _plain(value: Any) -> Any:  # noqa: ANN401  plain data of any shape
    if rpc.is_rpc_secret(value):
        return _hidden(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hidden(value: Any) -> Any:  # noqa: ANN401  as above
    """Keep the keys of a secret group: which keys a Secret has is no secret."""
    return {str(key): _hidden(item) for key, item in value.items()} if isinstance(value, Mapping) else SECRET


_COMPAT = "compat"  # the SDK's own note to the plugin, no setting of ours


@dataclass(frozen=True)
class Object:
    """One object: of the cluster, or of another provider, such as a bucket."""

    origin: str  # `stack`, or `chart` for what Helm renders
    type: str  # Pulumi's token; "" for what Helm renders
    logical_name: str  # Pulumi's name; the object's own for what Helm renders
    manifest: Mapping[str, Any]  # with apiVersion and kind if it is one of the cluster; else the inputs of the provider
    protect: bool = False  # neither `destroy` nor a replacement may delete it
    retain: bool = False  # stays when the stack is destroyed

    @property
    def kind(self) -> str:
        """Kind of Kubernetes, or the last word of Pulumi's token."""
        return str(self.manifest.get("kind", self.type.rpartition(":")[2]))

    @property
    def path(self) -> Path:
        """File name that is the same in every run, and different for every object."""
        metadata: Mapping[str, Any] = self.manifest.get("metadata", {})
        parts = (self.kind, metadata.get("namespace", ""), metadata.get("name", self.logical_name))
        return Path(self.origin) / (".".join(re.sub(r"[^-A-Za-z0-9]+", "-", str(part)) for part in parts if part).lower() + ".yaml")

    @property
    def text(self) -> str:
        """The file: what Pulumi knows of it as a comment, and the manifest."""
        marks = [word for word, is_set in (("protected", self.protect), ("retained", self.retain)) if is_set]
        head = f"# {', '.join([f'{self.type} {self.logical_name}', *marks])}\n" if self.type else ""
        return head + dump(dict(self.manifest))

    @property
    def subject(self) -> Subject:
        """As the rules of `policies` see it."""
        name = self.manifest.get("metadata", {}).get("name", self.logical_name)
        return Subject(kind=self.kind, name=name, content=self.manifest, protect=self.protect)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """All objects, and what could not be rendered."""

    objects: list[Object]
    notes: list[str] = field(default_factory=list)


def render(environment: Environment) -> Rendered:
    """Render everything that the environment declares."""
    objects, notes = list[Object](), list[str]()
    for item in of_environment(environment):
        if item.custom:
            manifest, marks = {key: value for key, value in item.inputs.items() if key != _COMPAT}, (item.protect, item.retain)
            objects.append(Object("stack", item.type, item.name, manifest, *marks))
        if item.type == RELEASE:
            objects += _from_chart(as_release(item), notes)
    return Rendered(objects=sorted(objects, key=lambda item: item.path), notes=notes)


def _from_chart(release: Release, notes: list[str]) -> Iterator[Object]:
    archive = chart.at_hand(release)
    if archive is None:
        source = f"--repo {release.repository} {release.chart}" if release.repository is not None else release.chart
        notes.append(text_of("chart_not_at_hand", release=release, source=source, folder=chart.CHARTS))
    elif shutil.which("helm") is None:
        notes.append("the objects of the chart are not among them, only the release with its values: there is no helm on PATH")
    else:
        for manifest in chart.template(release, archive):
            yield Object(origin="chart", type="", logical_name=str(manifest["metadata"]["name"]), manifest=manifest)
