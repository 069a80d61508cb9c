"""Reading one Secret of the cluster, with the kubeconfig of whoever runs Pulumi."""

import base64
from collections.abc import Sequence

from kubernetes import client
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components import kube_api
from components.s3.errors import StoreError

_NOT_FOUND = 404
_FORBIDDEN = 403
_TIMEOUT_S = 30
_KEYS = ("access_key", "secret_key")


def secret(namespace: str, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Texts under `keys`; StoreError that says what is missing and how to make it."""
    data = _data(namespace, name)
    missing = [key for key in keys if not data.get(key)]
    if missing:
        there = ", ".join(sorted(data)) or "nothing"
        raise StoreError(
            f"the Secret {namespace}/{name} has no {' and no '.join(missing)}, it has {there}: nobody could sign a request. "
            f"Cure: {_command(namespace, name, keys)}"
        )
    return {key: base64.b64decode(data[key]).decode() for key in keys}


def _data(namespace: str, name: str) -> dict[str, str]:
    try:
        with kube_api.core() as api:
            found = api.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT_S).data or {}
    except client.ApiException as error:
        raise StoreError(_refused(namespace, name, error.status)) from None
    except (ConfigException, HTTPError) as error:
        raise StoreError(f"the Secret {namespace}/{name} cannot be read: {error}. Cure: try `kubectl -n {namespace} get secret`.") from None
    return {key: str(value) for key, value in found.items()}


def _refused(namespace: str, name: str, status: int) -> str:
    if status == _NOT_FOUND:
        return f"there is no Secret {namespace}/{name}, so nobody could sign a request. Cure: {_command(namespace, name, _KEYS)}"
    if status == _FORBIDDEN:
        return (
            f"whoever runs Pulumi may not read the Secret {namespace}/{name} (403). "
            f"Cure: let them: kubectl auth can-i get secret/{name} -n {namespace}"
        )
    return f"the Secret {namespace}/{name} cannot be read: the API server answers {status}. Cure: try `kubectl -n {namespace} get secret`."


def _command(namespace: str, name: str, keys: Sequence[str]) -> str:
    """From files: a key in an argument would be in the shell's history."""
    return f"kubectl -n {namespace} create secret generic {name} " + " ".join(f"--from-file={key}" for key in keys)
