"""Kubernetes objects of any kind, as Pulumi resources: server-side apply, and waiting until they work.

The state of an object is the live object, and beside it `__inputs` (what was asked, with drift once it was refreshed), `__fieldManager`
and `__initialApiVersion`, as with the official plugin. The field manager derives from the resource's URN: an object that a killed `up` left
behind is taken up again by the next one, an object of somebody else is refused.
"""

import copy
import hashlib
import os
from collections.abc import Iterable

from . import diff
from .cluster import Cluster, Reference
from .errors import (
    FORCE_ANNOTATION,
    FORCE_VARIABLE,
    HalfMadeError,
    InvalidInputError,
    NotReadyError,
    RefusedError,
    Snapshot,
    UnreachableError,
    UnsupportedError,
)
from .handler import Operation, Proposal
from .readiness import judge
from .waiting import Waiter, is_skipped, time_limit_s
from .wire import UNKNOWN, Object, has_unknown, mark_object, plain, without_nulls

AUTONAMED = "pulumi.com/autonamed"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
DELETE_UNREACHABLE = "PULUMI_K8S_DELETE_UNREACHABLE"
BOOKKEEPING = ("__inputs", "__fieldManager", "__initialApiVersion")
PREVIEW_CANNOT_TELL = (403, 404)
"""Answers to a dry run before the namespace, the kind or the right to use them exists: they come with the same `up`."""


def api_of(type_: str) -> tuple[str, str]:
    """(apiVersion, kind) of a type token: `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:Secret`."""
    _, group_version, kind = type_.split(":")
    if kind.endswith(("List", "Patch")) or "/" not in group_version or group_version.startswith(("helm.sh", "yaml", "kustomize")):
        raise UnsupportedError(
            f"{type_} needs the official kubernetes plugin: the lab's stand-in knows single objects and helm.sh/v3:Release"
        )
    return group_version.removeprefix("core/"), kind


def manager_of(urn: str) -> str:
    """Field manager of a resource: the same for every run, another for every resource."""
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def is_autonamed(manifest: Object) -> bool:
    """Whether Pulumi made up the object's name, so that a replacement may live beside it."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and annotations.get(AUTONAMED) == "true"


def checkpoint(live: Object, inputs: Object, manager: str, initial_api: str) -> Object:
    """State of a live object; secret where the inputs are, and everywhere in the data of a Secret."""
    state = mark_object(live, inputs)
    kept = mark_object(inputs, inputs)
    return {**state, "__inputs": kept, "__fieldManager": manager, "__initialApiVersion": initial_api}


class Objects:
    """Handler of every resource that is one Kubernetes object."""

    def __init__(self, cluster: Cluster, waiter: Waiter, *, takes_over: bool = False) -> None:
        """With `takes_over`, what exists already becomes the stack's, as the operator asked for."""
        self._cluster = cluster
        self._waiter = waiter
        self._takes_over = takes_over

    def check(self, proposal: Proposal) -> Object:
        """Inputs with apiVersion, kind, name and namespace."""
        api_version, kind = api_of(proposal.type)
        self._cluster.require()
        inputs: Object = {"apiVersion": api_version, "kind": kind, "metadata": {}, **without_nulls(proposal.inputs)}
        if isinstance(inputs["metadata"], dict):
            inputs["metadata"] = self._complete_metadata(inputs, proposal)
        return mark_object(inputs, inputs)

    def diff(self, state: Object, news: Object, ignored: Iterable[str]) -> diff.Difference:
        """Inputs of last time, with the drift that a refresh found, against the new ones."""
        old, new = plain(state).get("__inputs") or {}, plain(news)
        found = diff.compare(old, new, diff.object_rules(new.get("kind", "")), ignored)
        if self._is_failed_for_good(new, state):
            found = diff.Difference({**found.changes, "metadata": "UPDATE"}, found.replaces | {"metadata"})
        same_name = _name_of(old) == _name_of(new)
        return diff.Difference(found.changes, found.replaces, delete_first=bool(found.replaces) and same_name and not is_autonamed(new))

    def _is_failed_for_good(self, new: Object, state: Object) -> bool:
        """Whether a Job did not succeed and asks to be made anew then; Kubernetes never runs the same one again."""
        if new.get("kind") != "Job" or not _asks_to_be_replaced(new.get("metadata")) or not state.get("metadata"):
            return False
        live = self._cluster.get(Reference.of(plain(state)))
        return live is not None and not judge(live).ready

    def apply(self, operation: Operation) -> Snapshot:
        """Apply and wait; in a preview a dry run, whose answer is only as good as what exists by now."""
        if operation.preview and has_unknown(operation.inputs):
            return Snapshot("", {**operation.state, **_unborn(operation.inputs)}, operation.inputs)
        manifest = plain(operation.inputs)
        manager = str(operation.state.get("__fieldManager") or manager_of(operation.urn))
        try:
            if not operation.state:
                self._refuse_foreign(Reference.of(manifest), manager)
            live = self._cluster.apply(manifest, manager, force=_is_forced(manifest), dry_run=operation.preview)
        except RefusedError as error:
            if operation.preview and error.status in PREVIEW_CANNOT_TELL:
                return Snapshot("", _unborn(operation.inputs), operation.inputs)
            raise
        if operation.preview and not operation.state:
            return Snapshot("", _unborn(operation.inputs), operation.inputs)
        return self._waited_for(operation, live, manager)

    def _waited_for(self, operation: Operation, live: Object, manager: str) -> Snapshot:
        initial_api = str(operation.state.get("__initialApiVersion") or live["apiVersion"])

        def snapshot(now: Object) -> Snapshot:
            return Snapshot(_id_of(now), checkpoint(now, operation.inputs, manager, initial_api), operation.inputs)

        if operation.preview or is_skipped(live):
            return snapshot(live)
        try:
            return snapshot(self._waiter.until_ready(operation.urn, live, time_limit_s(live, operation.timeout_s)))
        except NotReadyError as error:
            raise HalfMadeError(error.reasons, snapshot(error.live)) from error

    def read(self, urn: str, type_: str, id_: str, state: Object, inputs: Object) -> Snapshot | None:
        """The live object, and what was asked with what drifted; HalfMadeError if it does not work."""
        api_version, kind = api_of(type_)
        asked = state.get("__inputs") or inputs
        namespace, _, name = id_.rpartition("/")
        live = self._cluster.get(Reference(str(plain(asked).get("apiVersion", api_version)), kind, name, namespace or None))
        if live is None:
            return None
        live["metadata"].pop("managedFields", None)
        now = diff.drifted(plain(asked), plain(state), live) if asked and state else _inputs_of(live)
        manager = str(state.get("__fieldManager") or manager_of(urn))
        marked = mark_object(now, asked)
        found = Snapshot(id_, checkpoint(live, marked, manager, str(state.get("__initialApiVersion") or live["apiVersion"])), marked)
        reasons = self._waiter.reasons(live)
        if reasons:
            raise HalfMadeError(reasons, found)
        return found

    def delete(self, operation: Operation) -> None:
        """Delete and wait until it is gone. The uid protects an object of the same name that was made since."""
        state = plain(operation.state)
        at, uid = Reference.of(state), state["metadata"].get("uid", "")
        try:
            live = self._cluster.get(at)
        except UnreachableError:
            if os.environ.get(DELETE_UNREACHABLE) == "true":
                return
            raise
        if live is None or live["metadata"].get("uid") != uid:
            return
        policy = (state["metadata"].get("annotations") or {}).get(PROPAGATION, "foreground").capitalize()
        if self._cluster.delete(at, policy) and not is_skipped(state):
            self._waiter.until_gone(operation.urn, at, uid, time_limit_s(state, operation.timeout_s))

    def _complete_metadata(self, inputs: Object, proposal: Proposal) -> Object:
        metadata: Object = copy.deepcopy(inputs["metadata"])
        if "generateName" in metadata:
            raise InvalidInputError("metadata.generateName", "server-side apply needs a name: set metadata.name, or leave both out")
        if "name" not in metadata:
            metadata["name"] = _made_up_name(proposal)
            metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
        namespaced = self._cluster.is_namespaced(str(plain(inputs["apiVersion"])), str(plain(inputs["kind"])))
        if namespaced and not metadata.get("namespace"):
            metadata["namespace"] = self._cluster.default_namespace
        return metadata

    def _refuse_foreign(self, at: Reference, manager: str) -> None:
        live = None if self._takes_over else self._cluster.get(at)
        if live is None or any(one.get("manager") == manager for one in live["metadata"].get("managedFields") or []):
            return
        identity = f"{at.namespace}/{at.name}" if at.namespace else at.name
        group_version = at.api_version if "/" in at.api_version else f"core/{at.api_version}"
        raise RefusedError(
            f"{at} exists already and this stack did not make it, so it was left alone. Give the new object another name, or take it over: "
            f"pulumi import kubernetes:{group_version}:{at.kind} NAME {identity}, or whatever exists: "
            "pulumi config set kubernetes:upsertExistingObjects true"
        )


def _made_up_name(proposal: Proposal) -> str:
    if is_autonamed(plain(proposal.previous)):
        return str(plain(proposal.previous)["metadata"]["name"])
    if not proposal.proposed_name:
        raise InvalidInputError("metadata.name", "autonaming is switched off in this project, so every object needs metadata.name")
    return proposal.proposed_name


def _asks_to_be_replaced(metadata: object) -> bool:
    """Metadata may be unknown as a whole, and then it is a text."""
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and str(annotations.get(REPLACE_UNREADY, "")).lower() == "true"


def _is_forced(manifest: Object) -> bool:
    annotation = (manifest["metadata"].get("annotations") or {}).get(FORCE_ANNOTATION, "")
    return "true" in (str(annotation).lower(), os.environ.get(FORCE_VARIABLE, "").lower())


def _name_of(inputs: Object) -> str | None:
    metadata = inputs.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def _id_of(live: Object) -> str:
    metadata = live["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _unborn(inputs: Object) -> Object:
    """Outputs of an object that does not exist yet: its inputs, and unknown what only the API server will give it."""
    state = copy.deepcopy(inputs)
    state["status"] = UNKNOWN
    if isinstance(state["metadata"], dict):
        state["metadata"]["uid"] = UNKNOWN
    if state["kind"] == "Service" and isinstance(state.get("spec"), dict):
        state["spec"].setdefault("clusterIP", UNKNOWN)
    return state


def _inputs_of(live: Object) -> Object:
    """Inputs for an object that is imported: all but what the API server wrote."""
    metadata = {key: value for key, value in live["metadata"].items() if key in ("name", "namespace", "labels", "annotations")}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
