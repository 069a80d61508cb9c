"""COSI's objects in the cluster: looked up, made, changed, waited for, removed; what the API server refuses, in words."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kubernetes import client

from components import kube_api
from components.kube_api import FORBIDDEN, NOT_FOUND, TIMEOUT_S
from components.stores import StoreError
from components.stores.cosi import manifests
from components.stores.owned import OWNER_TAG, require_ours
from components.waiting import until

T = TypeVar("T")
_EVENTS_NAMESPACE = "default"  # HPE's driver writes its events there, wherever the object is: its known limitations say so
_MOST_EVENTS = 3
Manifest = Mapping[str, Any]


class Objects:
    """Calls about one manifest each."""

    def __init__(self, core: "client.CoreV1Api") -> None:
        self._api, self.core = client.CustomObjectsApi(core.api_client), core

    def find(self, manifest: Manifest) -> dict[str, Any] | None:
        """Return what is there under its name; None where nothing is."""
        with _explained(manifest, "get"):
            try:
                return self._call("get", manifest)
            except client.ApiException as error:
                if error.status == NOT_FOUND and _status(error):
                    return None
                raise

    def find_ours(self, manifest: Manifest, allowed: Collection[str]) -> dict[str, Any] | None:
        """Return what is there, None where nothing is; StoreError where its mark is not one of `allowed`."""
        there = self.find(manifest)
        if there is not None:
            cure = manifests.command(manifest, "annotate", "--overwrite", f"{OWNER_TAG}={manifests.owner(manifest)}")
            require_ours(manifests.title(manifest), manifests.owner(there), allowed, cure)
        return there

    def put(self, manifest: Manifest, allowed: Collection[str]) -> None:
        """Make it, or change what is there and carries one of the marks."""
        verb = "create" if self.find_ours(manifest, allowed) is None else "patch"
        with _explained(manifest, verb):
            self._call(verb, manifest, dict(manifest))

    def remove(self, manifest: Manifest, timeout_s: float) -> None:
        """Delete it and wait until COSI has let go of it: until then a user or a bucket may still be there."""
        with _explained(manifest, "delete"):
            self._call("delete", manifest)
        self.wait(manifest, "gone", lambda: True if self.find(manifest) is None else None, timeout_s)

    def status(self, manifest: Manifest, condition: str, timeout_s: float, *, needs: Sequence[str] = ()) -> dict[str, Any]:
        """Return the status of the object once its `condition` is true and it has what is needed of it."""

        def look() -> dict[str, Any] | None:
            there = self.find(manifest)
            if there is None:
                raise StoreError.by_code("cosi.object_gone", title=manifests.title(manifest))
            status: dict[str, Any] = there.get("status") or {}
            return status if status.get(condition) is True and all(status.get(name) for name in needs) else None

        return self.wait(manifest, condition, look, timeout_s)

    def wait(self, manifest: Manifest, condition: str, look: Callable[[], T | None], timeout_s: float) -> T:
        """Return the first answer of `look`; StoreError that says what is missing, and what COSI said about it."""
        title = manifests.title(manifest)
        with suppress(TimeoutError):
            return until(look, timeout_s=timeout_s, what=lambda: f"waiting for {title} to be {condition}")
        metadata, messages = manifest["metadata"], []
        selector = f"involvedObject.kind={manifest['kind']},involvedObject.name={metadata['name']},type=Warning"
        for namespace in (metadata.get("namespace", _EVENTS_NAMESPACE), _EVENTS_NAMESPACE):
            with suppress(client.ApiException):  # whoever may not read them reads the object's description
                messages += [str(event.message) for event in self.core.list_namespaced_event(namespace, field_selector=selector).items]
        newest = "; ".join(list(dict.fromkeys(messages))[-_MOST_EVENTS:])
        reasons, look_at = f"; COSI says: {newest}" if newest else "", manifests.command(manifest, "describe")
        raise StoreError.by_code("cosi.late", title=title, condition=condition, timeout_s=timeout_s, reasons=reasons, command=look_at)

    def _call(self, verb: str, manifest: Manifest, *body: dict[str, Any]) -> dict[str, Any]:
        metadata = manifest["metadata"]
        scope, space = ("namespaced", [metadata["namespace"]]) if metadata.get("namespace") else ("cluster", [])
        name = [] if verb == "create" else [metadata["name"]]
        place = [manifests.GROUP, manifests.VERSION, *space, manifests.PLURALS[manifest["kind"]], *name]
        answer: dict[str, Any] = getattr(self._api, f"{verb}_{scope}_custom_object")(*place, *body, _request_timeout=TIMEOUT_S)
        return answer


@contextmanager
def opened() -> Iterator[Objects]:
    """Talk to the cluster until the block ends; ClusterError where it does not answer."""
    with kube_api.core() as core:
        yield Objects(core)


@contextmanager
def _explained(manifest: Manifest, verb: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        kind, title, group = manifest["kind"], manifests.title(manifest), manifests.GROUP
        if error.status == NOT_FOUND and not _status(error):
            raise StoreError.by_code("cosi.not_installed", kind=kind, group=group, version=manifests.VERSION) from None
        if error.status == FORBIDDEN:
            raise StoreError.by_code("cosi.forbidden", verb=verb, title=title, plural=manifests.PLURALS[kind], group=group) from None
        detail, look_at = f"{error.status}: {_status(error).get('message', error.reason)}", manifests.command(manifest, "get")
        raise StoreError.by_code("cosi.refused", verb=verb, title=title, detail=detail, command=look_at) from None


def _status(error: "client.ApiException") -> dict[str, Any]:
    """Return the Status in an answer, {} where it has none: then it is no object that is missing, but the kind."""
    try:
        status = json.loads(error.body or "")
    except json.JSONDecodeError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}
