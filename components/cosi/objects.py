"""COSI's objects in the cluster: looked up, made, changed, taken away, as whoever runs Pulumi; what the API server refuses, in words.

Owns the mark: whatever carries another one, or none, is left alone.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes import client
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components import kube_api
from components.cosi import manifests
from components.s3.errors import StoreError
from components.s3.store import OWNER_TAG

_NOT_FOUND, _FORBIDDEN = 404, 403
_TIMEOUT_S = 30
_NO_COSI = (
    "the cluster knows no {kind} ({group}/{version}), so nobody would make a bucket. Cure: have an administrator install COSI's "
    "definitions and controller, and HPE's driver: https://scod.hpedev.io/cosi_driver/deployment.html"
)
_MAY_NOT = (
    "whoever runs Pulumi may not {verb} the {what} (403). Cure: have an administrator apply docs/rbac-cosi.yaml, "
    "then try: kubectl auth can-i {verb} {plural}.{group}"
)
_NOT_OURS = (
    "the {what} exists already and {whose}: its bucket may hold the data of somebody else, so it is left alone. "
    "Cure: remove it if nobody needs it, or, if it really is yours, hand it over: {cure}"
)
Manifest = Mapping[str, Any]


class Objects:
    """Calls about one manifest each."""

    def __init__(self, api: client.CustomObjectsApi, core: client.CoreV1Api) -> None:
        self._api, self.core = api, core

    def find(self, manifest: Manifest) -> dict[str, Any] | None:
        """What is there under its name; None where nothing is."""
        with _explained(manifest, "get"):
            try:
                return self._call("get", manifest)
            except client.ApiException as error:
                if error.status == _NOT_FOUND and _is_about_an_object(error):
                    return None
                raise

    def put(self, manifest: Manifest, allowed: set[str]) -> dict[str, Any]:
        """Make it, or change what is there and carries one of the marks."""
        found = self.find(manifest)
        if found is None:
            with _explained(manifest, "create"):
                return self._call("create", manifest, dict(manifest))
        require_ours(manifest, found, allowed)
        with _explained(manifest, "patch"):
            return self._call("patch", manifest, dict(manifest))

    def remove(self, manifest: Manifest) -> None:
        """Ask for its end; its finalizers have their time."""
        with _explained(manifest, "delete"):
            self._call("delete", manifest)

    def _call(self, verb: str, manifest: Manifest, *body: dict[str, Any]) -> dict[str, Any]:
        metadata = manifest["metadata"]
        scope, space = ("namespaced", [metadata["namespace"]]) if metadata.get("namespace") else ("cluster", [])
        name = [] if verb == "create" else [metadata["name"]]
        place = [manifests.GROUP, manifests.VERSION, *space, manifests.PLURALS[manifest["kind"]], *name]
        found: dict[str, Any] = getattr(self._api, f"{verb}_{scope}_custom_object")(*place, *body, _request_timeout=_TIMEOUT_S)
        return found


@contextmanager
def opened() -> Iterator[Objects]:
    """Talk to the cluster until the block ends; StoreError where it does not answer."""
    try:
        with kube_api.core() as core:
            yield Objects(client.CustomObjectsApi(core.api_client), core)
    except (ConfigException, HTTPError) as error:
        raise StoreError(f"the cluster does not answer: {error}. Cure: try `kubectl get bucketclasses.{manifests.GROUP}`.") from None


def owner_of(found: Manifest) -> str:
    """Our mark on an object; "" when there is none."""
    return str((found["metadata"].get("annotations") or {}).get(OWNER_TAG, ""))


def require_ours(manifest: Manifest, found: Manifest, allowed: set[str]) -> None:
    """Refuse to touch what another stack, or nobody that we know, has made."""
    mark = owner_of(found)
    if mark not in allowed:
        whose = f"belongs to {mark!r}" if mark else "carries no mark of ours"
        cure = manifests.command(manifest, "annotate", "--overwrite", f"{OWNER_TAG}={owner_of(manifest)}")
        raise StoreError(_NOT_OURS.format(what=manifests.named(manifest), whose=whose, cure=cure))


@contextmanager
def _explained(manifest: Manifest, verb: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        words = {"kind": manifest["kind"], "what": manifests.named(manifest), "verb": verb, "plural": manifests.PLURALS[manifest["kind"]]}
        words |= {"group": manifests.GROUP, "version": manifests.VERSION}
        if error.status == _NOT_FOUND and not _is_about_an_object(error):
            raise StoreError(_NO_COSI.format(**words)) from None
        if error.status == _FORBIDDEN:
            raise StoreError(_MAY_NOT.format(**words)) from None
        cure = f"try `{manifests.command(manifest, 'get')}`"
        said = f"{error.status}: {_said(error).get('message', error.reason)}"
        raise StoreError(f"the API server does not {verb} the {manifests.named(manifest)} ({said}). Cure: {cure}.") from None


def _is_about_an_object(error: client.ApiException) -> bool:
    """Whether it says that a thing is not there, rather than that it knows no such kind."""
    return _said(error).get("kind") == "Status"


def _said(error: client.ApiException) -> dict[str, Any]:
    try:
        found = json.loads(error.body or "")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
