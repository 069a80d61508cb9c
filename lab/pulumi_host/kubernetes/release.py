"""`kubernetes:helm.sh/v3:Release` as a Pulumi resource: a real Helm release, installed, upgraded, read and removed by `helm`.

As with the official plugin, Check renders the chart without the cluster: so a preview finds a missing chart or values that the chart
refuses, and the checksum of what was rendered makes an edited local chart a change. A relative chart path counts from the program's
folder, in which the engine starts plugins. A chart that renders something new every time needs `ignore_changes=["checksum"]`.
Drift of the release record (values, version, status) is seen; edits of the objects inside it are not.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from . import diff
from .cluster import Cluster, Reference
from .errors import HalfMadeError, InvalidInputError, RefusedError, Snapshot, StandInError, UnsupportedError
from .handler import Operation, Progress, Proposal
from .helm import DEFAULT_TIMEOUT_S, KNOWN_INPUTS, Helm, template_arguments, uninstall_arguments, upgrade_arguments
from .readiness import JUDGES
from .waiting import Waiter
from .wire import UNKNOWN, Object, Secret, Value, has_secret, has_unknown, mark, plain, without_nulls

TYPE = "kubernetes:helm.sh/v3:Release"
DEPLOYED = "deployed"
COMPUTED = ("resourceNames",)
"""Inputs that follow from others: never a change of their own."""
SHORTEST_SECRET_CHARACTERS = 4
"""Shorter ones are not blotted out of messages: that would make them unreadable and hide nothing."""


def cure_of(status: str, name: str, namespace: str) -> str:
    """Command that frees a release whose last operation was killed; empty where helm can go on."""
    if status in ("pending-upgrade", "pending-rollback"):
        return f"helm rollback {name} --namespace {namespace}"
    return f"helm uninstall {name} --namespace {namespace}" if status in ("pending-install", "uninstalling") else ""


def refuse_blocked(status: str, name: str, namespace: str) -> None:
    """Raise RefusedError for a release on which helm would only say `another operation is in progress`."""
    cure = cure_of(status, name, namespace)
    if cure:
        raise RefusedError(
            f"the Helm release {namespace}/{name} is {status}: another operation is still running, or was killed, "
            f"so helm would refuse to touch it. If none is running: {cure}, then pulumi up"
        )


def objects_in(manifest: str) -> list[Object]:
    """Objects of a rendered chart."""
    return [one for one in yaml.safe_load_all(manifest) if isinstance(one, dict) and one.get("kind") and one.get("metadata")]


def resource_names(objects: Iterable[Object]) -> dict[str, list[str]]:
    """Names by kind, as the official plugin writes them: {"Deployment.apps/apps/v1": ["rag/milvus"], "Service/v1": ["milvus"]}."""
    found: dict[str, set[str]] = {}
    for one in objects:
        api, metadata = str(one["apiVersion"]), one["metadata"]
        kind = f"{one['kind']}.{api.partition('/')[0]}" if "/" in api else str(one["kind"])
        name = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata.get("name", ""))
        found.setdefault(f"{kind}/{api}", set()).add(name)
    return {key: sorted(names) for key, names in sorted(found.items())}


def with_drift(inputs: Object, record: Mapping[str, Value]) -> Object:
    """Inputs with the values and the version that the release really has; new values are secret where old ones were."""
    found = dict(inputs)
    if plain(inputs.get("values") or {}) != record["values"]:
        found["values"] = Secret(record["values"]) if has_secret(inputs.get("values")) else record["values"]
    if inputs.get("version") and plain(inputs["version"]) != record["version"]:
        found["version"] = record["version"]
    return found


def redacted(text: str, inputs: Object) -> str:
    """Text of helm without the secret values it may quote."""
    for secret in sorted(_secret_texts(inputs), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _secret_texts(value: Value, inside: bool = False) -> set[str]:
    if isinstance(value, Secret):
        return _secret_texts(value.value, inside=True)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = {text for item in items for text in _secret_texts(item, inside)}
    is_worth_hiding = inside and isinstance(value, str) and len(value) >= SHORTEST_SECRET_CHARACTERS
    return found | {value} if is_worth_hiding else found


class Releases:
    """Handler of Helm releases."""

    def __init__(self, cluster: Cluster, helm: Helm, waiter: Waiter, progress: Progress) -> None:
        self._cluster = cluster
        self._helm = helm
        self._waiter = waiter
        self._progress = progress

    def check(self, proposal: Proposal) -> Object:
        """Inputs with name, namespace, time limit, and the checksum and names of what the chart renders."""
        self._cluster.require()
        inputs: Object = {key: value for key, value in proposal.inputs.items() if value is not None}
        unknown = sorted(set(inputs) - KNOWN_INPUTS)
        if unknown:
            raise UnsupportedError(
                f"helm.sh/v3:Release with {', '.join(unknown)} needs the official kubernetes plugin; put values in `values`"
            )
        inputs.setdefault("name", plain(proposal.previous).get("name") or proposal.proposed_name)
        inputs.setdefault("namespace", self._cluster.default_namespace)
        inputs.setdefault("values", {})
        if not inputs.get("skipAwait"):
            inputs.setdefault("timeout", DEFAULT_TIMEOUT_S)
        return inputs if has_unknown(inputs) else {**inputs, **self._rendered(inputs)}

    def diff(self, state: Object, news: Object, ignored: Iterable[str]) -> diff.Difference:
        """Inputs of last time, with drift, against the new ones; a release that failed is a change in itself."""
        old, new = plain(state).get("__inputs") or {}, plain(news)
        found = diff.compare(old, new, diff.RELEASE_REPLACES, (*ignored, *COMPUTED))
        status = (plain(state).get("status") or {}).get("status", DEPLOYED)
        changes = found.changes if status == DEPLOYED else {**found.changes, "status": "UPDATE"}
        return diff.Difference(changes, found.replaces)

    def apply(self, operation: Operation) -> Snapshot:
        """`helm upgrade --install`; in a preview nothing, Check has rendered the chart."""
        if operation.preview:
            return Snapshot("", {**operation.inputs, "status": UNKNOWN, "resourceNames": UNKNOWN}, operation.inputs)
        inputs = plain(operation.inputs)
        name, namespace = str(inputs["name"]), str(inputs["namespace"])
        record = self._record(name, namespace)
        refuse_blocked(record["status"]["status"] if record else "", name, namespace)
        arguments = upgrade_arguments(inputs, self._helm.chart(inputs))
        outcome = self._helm.run(arguments, without_nulls(inputs["values"]), tick=lambda: self._show(operation.urn, name, namespace))
        record = self._record(name, namespace)
        error = redacted(outcome.error, operation.inputs)
        if record is None:
            raise RefusedError(f"helm could not install {namespace}/{name}: {error}")
        made = Snapshot(f"{namespace}/{name}", self._state(operation.inputs, record), operation.inputs)
        if not outcome.ok:
            advice = f"look: helm status {name} --namespace {namespace}; pulumi up tries again"
            troubles = self._troubles(name, namespace, with_logs=True)
            raise HalfMadeError(
                [f"the Helm release {namespace}/{name} is {record['status']['status']}: {error} ({advice})", *troubles], made
            )
        return made

    def read(self, _urn: str, _type: str, id_: str, state: Object, inputs: Object) -> Snapshot | None:
        """The release record as it is; None when somebody has uninstalled it."""
        self._cluster.require()
        namespace, _, name = id_.rpartition("/")
        record = self._record(name, namespace or self._cluster.default_namespace)
        if record is None:
            return None
        asked = state.get("__inputs") or inputs
        asked = asked.value if isinstance(asked, Secret) else asked
        status = record["status"]
        if not asked:
            asked = {
                "name": name,
                "namespace": status["namespace"],
                "chart": status["chart"],
                "version": record["version"],
                "values": record["values"],
            }
        found = with_drift(mark(asked, inputs), record)
        return Snapshot(id_, self._state(found, record), found)

    def delete(self, operation: Operation) -> None:
        """`helm uninstall`, waiting until its objects are gone."""
        self._cluster.require()
        inputs = plain(operation.state)
        outcome = self._helm.run(uninstall_arguments(inputs))
        if not outcome.ok:
            raise RefusedError(f"helm could not uninstall {inputs['namespace']}/{inputs['name']}: {outcome.error}")

    def _rendered(self, inputs: Object) -> Object:
        plain_inputs = plain(inputs)
        arguments = template_arguments(plain_inputs, self._helm.chart(plain_inputs))
        outcome = self._helm.run(arguments, without_nulls(plain_inputs["values"]))
        if not outcome.ok:
            where = "" if "://" in str(plain_inputs["chart"]) else f" (relative paths count from {Path.cwd()})"
            raise InvalidInputError(
                "chart", f"the chart {plain_inputs['chart']!r} cannot be rendered{where}: {redacted(outcome.error, inputs)}"
            )
        checksum = hashlib.sha256(outcome.stdout.encode()).hexdigest()
        return {"checksum": checksum, "resourceNames": resource_names(objects_in(outcome.stdout))}

    def _record(self, name: str, namespace: str) -> Object | None:
        """{status: as in the outputs, version, values, manifest}; None when there is no such release."""
        where = [name, "--namespace", namespace]
        metadata = self._helm.run(["get", "metadata", *where, "--output", "json"])
        if not metadata.ok:
            if "not found" in metadata.error:
                return None
            raise StandInError(f"helm cannot read the release {namespace}/{name}: {metadata.error}")
        said = json.loads(metadata.stdout)
        values = self._helm.run(["get", "values", *where, "--output", "json"])
        manifest = self._helm.run(["get", "manifest", *where])
        status = {key: said.get(key) for key in ("appVersion", "chart", "name", "namespace", "revision", "status", "version")}
        return {
            "status": status,
            "version": said.get("version"),
            "values": json.loads(values.stdout or "null") or {},
            "manifest": manifest.stdout,
        }

    def _state(self, inputs: Object, record: Object) -> Object:
        made = {"status": record["status"], "version": record["version"], "resourceNames": resource_names(objects_in(record["manifest"]))}
        return {**mark(inputs, inputs), **made, "__inputs": Secret(inputs)}

    def _show(self, urn: str, name: str, namespace: str) -> None:
        for trouble in self._troubles(name, namespace)[:1]:
            self._progress.status(urn, trouble)

    def _troubles(self, name: str, namespace: str, *, with_logs: bool = False) -> list[str]:
        """Which workloads of a release do not work, and why."""
        manifest = self._helm.run(["get", "manifest", name, "--namespace", namespace]).stdout
        workloads = [one for one in objects_in(manifest) if one["kind"] in JUDGES and one["kind"] != "Service"]
        found = []
        for one in workloads:
            at = Reference(one["apiVersion"], one["kind"], one["metadata"]["name"], one["metadata"].get("namespace") or namespace)
            live = self._cluster.get(at)
            reasons = self._waiter.reasons(live, with_logs=with_logs) if live else ["was not made"]
            found += [f"{at} {'; '.join(reasons)}"] if reasons else []
        return found
