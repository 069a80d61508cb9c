"""The pods of Milvus by the key that they were started with."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from components.milvus_values import CREDENTIAL_ANNOTATION
from stacks.problems import UnansweredError

_SELECTOR = "app.kubernetes.io/name=milvus"


def listed(namespace: str) -> list[dict[str, Any]]:
    """Every pod of Milvus, one that is ending included; UnansweredError without a cluster."""
    command = ["kubectl", "-n", namespace, "get", "pods", "-l", _SELECTOR, "-o", "json"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise UnansweredError(f"the cluster does not answer: {ended.stderr.strip()[-600:]}; type: kubectl cluster-info")
    found: list[dict[str, Any]] = json.loads(ended.stdout)["items"]
    return found


def behind(pods: list[dict[str, Any]], generation: str) -> list[str]:
    """Those that are not ready with the key of this generation, by name; `none` when there is no pod at all."""
    return [pod["metadata"]["name"] for pod in pods if not _has(pod, generation)] or ([] if pods else ["none"])


def addresses(pods: list[dict[str, Any]]) -> dict[str, str]:
    """Name of the pod at each address."""
    return {pod["status"]["podIP"]: pod["metadata"]["name"] for pod in pods if pod["status"].get("podIP")}


def _has(pod: Mapping[str, Any], generation: str) -> bool:
    annotated = pod["metadata"].get("annotations", {}).get(CREDENTIAL_ANNOTATION) == generation
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
    return annotated and ready
