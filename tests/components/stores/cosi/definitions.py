"""The kinds of COSI v1alpha1 as CustomResourceDefinitions, written for these tests from the published structure.

Fields, scopes, subresources; no copy of the project's own files, so what those check beyond the fields named here is not tried.
"""

from typing import Any

GROUP = "objectstorage.k8s.io"
STRING, BOOLEAN = {"type": "string"}, {"type": "boolean"}
STRINGS = {"type": "array", "items": STRING}
MAP = {"type": "object", "additionalProperties": STRING}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties} if required else {"type": "object", "properties": properties}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "BucketClass": (
        "bucketclasses",
        "Cluster",
        _object(["driverName", "deletionPolicy"], driverName=STRING, deletionPolicy=_one_of("Retain", "Delete"), parameters=MAP),
    ),
    "BucketAccessClass": (
        "bucketaccessclasses",
        "Cluster",
        _object(["driverName", "authenticationType"], driverName=STRING, authenticationType=_one_of("Key", "IAM"), parameters=MAP),
    ),
    "BucketClaim": (
        "bucketclaims",
        "Namespaced",
        _object(
            ["spec"],
            spec=_object(["protocols"], bucketClassName=STRING, protocols=STRINGS, existingBucketName=STRING),
            status=_object([], bucketReady=BOOLEAN, bucketName=STRING),
        ),
    ),
    "BucketAccess": (
        "bucketaccesses",
        "Namespaced",
        _object(
            ["spec"],
            spec=_object(
                ["bucketAccessClassName", "bucketClaimName", "credentialsSecretName"],
                bucketAccessClassName=STRING,
                bucketClaimName=STRING,
                credentialsSecretName=STRING,
                protocol=STRING,
                serviceAccountName=STRING,
            ),
            status=_object([], accessGranted=BOOLEAN, accountID=STRING),
        ),
    ),
}


def all_of_them() -> list[dict[str, Any]]:
    """Manifests of the definitions."""
    return [_definition(kind, *rest) for kind, rest in _KINDS.items()]


def _definition(kind: str, plural: str, scope: str, schema: dict[str, Any]) -> dict[str, Any]:
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    approved = {"api-approved.kubernetes.io": "unapproved, written for the tests of milvus-x10000"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "annotations": approved},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }
