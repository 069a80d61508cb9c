"""Patience with COSI: until an object says that it is ready, or is gone, and what COSI said meanwhile when it is not."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kubernetes import client

from components.cosi import manifests
from components.cosi.objects import Manifest, Objects
from components.s3.errors import StoreError

T = TypeVar("T")
_FIRST_INTERVAL_S, _LONGEST_INTERVAL_S = 0.1, 2.0
_TELL_S = 15.0
_EVENTS_NAMESPACE = "default"
"""HPE's driver writes its events there, wherever the object is: its known limitations say so."""
_MOST_EVENTS = 3
_GONE = "the {what} went away while it was waited for. Cure: see who deleted it, then run `pulumi up` again."
_LATE = (
    "the {what} is not {condition} after {seconds:g} s{said}. Cure: see why: {describe}; the logs of COSI's controller and of the "
    "driver's deployment, such as `kubectl logs deploy/hpe-objectstorage-provisioner --all-containers`; then run `pulumi up` again: it "
    "goes on from here. If COSI is only slow: pulumi config set --path milvus-x10000:object_store.ready_timeout_s NUMBER"
)


def until(timeout_s: float, look: Callable[[], T | None], late: Callable[[], StoreError], doing: str) -> T:
    """Return what `look` finds at last; raise what `late` says when time is up."""
    began = told = time.monotonic()
    interval_s = _FIRST_INTERVAL_S
    while (found := look()) is None:
        now = time.monotonic()
        if now - began >= timeout_s:
            raise late()
        if now - told >= _TELL_S:
            told = now
            print(f"{doing}: {now - began:.0f} s", file=sys.stderr, flush=True)
        time.sleep(min(interval_s, timeout_s))
        interval_s = min(interval_s * 1.5, _LONGEST_INTERVAL_S)
    return found


def status(objects: Objects, manifest: Manifest, condition: str, timeout_s: float, *, needs: Sequence[str] = ()) -> dict[str, Any]:
    """Status of the object once its `condition` is true and it has what is needed of it."""

    def look() -> dict[str, Any] | None:
        found = objects.find(manifest)
        if found is None:
            raise StoreError(_GONE.format(what=manifests.named(manifest)))
        there: dict[str, Any] = found.get("status") or {}
        return there if there.get(condition) is True and all(there.get(name) for name in needs) else None

    return until(timeout_s, look, lambda: late(objects, manifest, condition, timeout_s), f"waiting for {manifests.named(manifest)}")


def gone(objects: Objects, manifest: Manifest, timeout_s: float) -> None:
    """Wait until COSI has let go of it: until then a user or a bucket may still be there."""

    def look() -> bool | None:
        return True if objects.find(manifest) is None else None

    until(timeout_s, look, lambda: late(objects, manifest, "gone", timeout_s), f"waiting for the end of {manifests.named(manifest)}")


def late(objects: Objects, manifest: Manifest, condition: str, timeout_s: float) -> StoreError:
    """Say what is missing, and what COSI said about it."""
    said = _events(objects, manifest)
    return StoreError(
        _LATE.format(
            what=manifests.named(manifest),
            condition=condition,
            seconds=timeout_s,
            said=f"; COSI says: {'; '.join(said)}" if said else "",
            describe=manifests.command(manifest, "describe"),
        )
    )


def _events(objects: Objects, manifest: Manifest) -> list[str]:
    """Newest warnings about it, from where we may read them."""
    metadata, found = manifest["metadata"], []
    for namespace in (metadata.get("namespace", _EVENTS_NAMESPACE), _EVENTS_NAMESPACE):
        try:
            chosen = f"involvedObject.kind={manifest['kind']},involvedObject.name={metadata['name']},type=Warning"
            found += [str(each.message) for each in objects.core.list_namespaced_event(namespace, field_selector=chosen).items]
        except client.ApiException:
            continue  # whoever may not read them reads the object's description
    return list(dict.fromkeys(found))[-_MOST_EVENTS:]
