"""Whether a key is taken by the store and used by Milvus: what has to be seen before the old one is revoked.

The store is asked with the key itself, on Milvus's bucket: only the store knows which keys it takes. That Milvus uses it is shown by the
pods: each carries the mark of the credential that it was started with, and one is ready only with a key that works.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed
from urllib3.exceptions import HTTPError

from components import kube_api
from components.milvus_values import CREDENTIAL_ANNOTATION
from components.stores import Connection, error_code, s3_client
from stacks.problems import UnansweredError
from stacks.settings import Settings

Key = Mapping[str, str]
"""`access_key`, `secret_key`, the bucket, and the random mark `generation` that pods carry."""

_REFUSALS = {"InvalidAccessKeyId", "AccessDenied", "SignatureDoesNotMatch", "403"}
_SELECTOR = "app.kubernetes.io/name=milvus"
_TRIES, _PAUSE_S = 30, 2.0


def refusal(settings: Settings, key: Key) -> str:
    """How the store refuses `access_key` and `secret_key` on `bucket`, "" when it takes them; UnansweredError where that does not tell."""
    store = settings.object_store
    try:
        connection = Connection(endpoint=store.endpoint, region=store.region, ca_pem=store.ca_pem)
        with s3_client(connection, key["access_key"], key["secret_key"]) as s3:
            s3.list_objects_v2(Bucket=key.get("bucket") or settings.milvus_bucket, MaxKeys=1)
    except ClientError as error:
        code = error_code(error)
        if code in _REFUSALS:
            return code
        text = f"the store at {store.endpoint} answered {code}, which says nothing of the key; try again"
        raise UnansweredError(text, code="store.unanswered") from None
    except BotoCoreError as error:
        text = f"the store at {store.endpoint} does not answer ({type(error).__name__}); try again"
        raise UnansweredError(text, code="store.unanswered") from None
    return ""


def await_use(namespace: str, key: Key) -> list[str]:
    """Wait until every pod of Milvus is ready with the key; the pods that are not, `none` where there is no pod at all."""
    attempts = Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait_fixed(_PAUSE_S),
        retry=retry_if_result(bool),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else [],
    )
    return attempts(lambda: pods_without(_milvus_pods(namespace), key["generation"]))


def _milvus_pods(namespace: str) -> list[dict[str, Any]]:
    """Every pod of Milvus, one that is ending included; UnansweredError without a cluster."""
    try:
        with kube_api.opened() as api:
            return kube_api.items(client.CoreV1Api(api).list_namespaced_pod, namespace, label_selector=_SELECTOR)
    except (ApiException, HTTPError) as error:
        raise UnansweredError(
            f"the pods of Milvus cannot be listed ({type(error).__name__}); kubectl -n {namespace} get pods", code="cluster.unanswered"
        ) from None


def pods_without(pods: Sequence[Mapping[str, Any]], generation: str) -> list[str]:
    """Those that are not ready with the key of this generation, by name; `none` when there is no pod at all."""
    return [pod["metadata"]["name"] for pod in pods if not _has(pod, generation)] or ([] if pods else ["none"])


def _has(pod: Mapping[str, Any], generation: str) -> bool:
    annotated = pod["metadata"].get("annotations", {}).get(CREDENTIAL_ANNOTATION) == generation
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))
    return annotated and ready
