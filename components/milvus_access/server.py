"""Where a Milvus is and who administers it; opened with pymilvus when a provider runs.

The password of root is in none of the inputs: it is read from its Secret at run time, so it may change at any time. Before that the
namespace is compared with the one that Pulumi made, since a shell may point at another cluster than Pulumi does.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from kubernetes import client
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from components import kube_api
from components.milvus_access.errors import AccessError
from components.milvus_access.reach import reached

_TIMEOUT_S = 10
_PATIENCE_S = 60
"""How long a Milvus that has just become ready may refuse root: it makes its users at its first start."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Milvus."""

    namespace: pulumi.Input[str]
    namespace_uid: pulumi.Input[str]
    """Of the namespace that is meant."""
    root_secret: pulumi.Input[str]
    """Secret with `username` and `password` of root."""
    uri: pulumi.Input[str]
    """As `reach` reads it."""
    ca_pem: pulumi.Input[str]
    """Authority of Milvus's certificate as PEM text; "" where Milvus speaks without TLS."""

    def inputs(self) -> dict[str, pulumi.Input[str]]:
        """As inputs of a dynamic resource."""
        return {
            "namespace": self.namespace,
            "namespace_uid": self.namespace_uid,
            "root_secret": self.root_secret,
            "uri": self.uri,
            "ca_pem": self.ca_pem,
        }


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A way to Milvus that is open."""

    uri: str
    options: Mapping[str, Any]
    root: MilvusClient

    def accepts(self, user: str, password: str) -> bool:
        """Whether Milvus lets the user in; root was let in before, so it does answer."""
        try:
            MilvusClient(uri=self.uri, user=user, password=password, timeout=_TIMEOUT_S, **self.options).close()
        except MilvusException:
            return False
        return True


def place_of(inputs: Mapping[str, Any]) -> str:
    """What a message calls it."""
    return f"Milvus in the namespace {inputs['namespace']} ({inputs['uri']})"


@contextmanager
def opened(inputs: Mapping[str, Any]) -> Iterator[Opened]:
    """Open it as root. AccessError for another cluster, and for a Milvus that does not let root in."""
    with kube_api.core() as api:
        _require_cluster(api, inputs)
        root = _secret(api, inputs["namespace"], inputs["root_secret"])
    with reached(inputs["uri"], inputs["ca_pem"]) as (uri, options), closing(_login(uri, root, inputs, options)) as milvus:
        yield Opened(uri=uri, options=options, root=milvus)


def _require_cluster(api: client.CoreV1Api, inputs: Mapping[str, Any]) -> None:
    metadata = api.read_namespace(inputs["namespace"], _request_timeout=_TIMEOUT_S).metadata
    if metadata is None or metadata.uid != inputs["namespace_uid"]:
        raise AccessError(
            f"the namespace {inputs['namespace']} of this shell's kubeconfig is not the one that Pulumi made: users would be made "
            f"elsewhere. Cure: point KUBECONFIG and its current context at the cluster of this stack"
        )


def _secret(api: client.CoreV1Api, namespace: str, name: str) -> dict[str, str]:
    data = api.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT_S).data or {}
    missing = [key for key in ("username", "password") if key not in data]
    if missing:
        raise AccessError(f"the Secret {namespace}/{name} has no {' and no '.join(missing)}: nobody can log in as root")
    return {key: base64.b64decode(data[key]).decode() for key in ("username", "password")}


def _login(uri: str, root: Mapping[str, str], inputs: Mapping[str, Any], options: Mapping[str, Any]) -> MilvusClient:
    @retry(retry=retry_if_exception_type(MilvusException), stop=stop_after_delay(_PATIENCE_S), wait=wait_fixed(1), reraise=True)
    def connect() -> MilvusClient:
        return MilvusClient(uri=uri, user=root["username"], password=root["password"], timeout=_TIMEOUT_S, **options)

    try:
        return connect()
    except MilvusException as error:
        raise AccessError(
            f"it does not let {root['username']} in with the password of the Secret {inputs['root_secret']}, or does not answer at all "
            f"({error.message}). Cure: where it cannot be reached, set milvus-x10000:milvus.administration_uri to an address that can; if "
            f"the password was changed by hand, put the new one into that Secret"
        ) from None
