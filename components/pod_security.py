"""What a container may do: nothing that the pod-security standard `restricted` forbids, and a root file system that it cannot write."""

from typing import Any

USER_ID = 1000
"""Numeric, since the kubelet cannot prove that a named user is not root."""


def pod(*, assign_ids: bool = True, user: int = USER_ID, group: int | None = None) -> dict[str, Any]:
    """`securityContext` of a pod, in the API's own spelling; `fsGroup` makes its volumes writable.

    Without ids where the platform's admission assigns them from a range of its own, as OpenShift does, and refuses any other.
    """
    main = user if group is None else group
    ids = {"runAsUser": user, "runAsGroup": main, "fsGroup": user, "fsGroupChangePolicy": "OnRootMismatch"} if assign_ids else {}
    return {"runAsNonRoot": True, **ids, "seccompProfile": {"type": "RuntimeDefault"}}


def container() -> dict[str, Any]:
    """`securityContext` of a container, in the API's own spelling."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
