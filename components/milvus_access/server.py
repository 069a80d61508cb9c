"""Which Milvus; opened as root with pymilvus when a provider runs.

The password of root is in none of the inputs: it is read from its Secret at run time, so it may change at any time. Before that the
namespace is compared with the one that Pulumi made, since a shell may point at another cluster than Pulumi does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi
from kubernetes import client
from pymilvus import MilvusClient  # type: ignore[import-untyped]  # pymilvus ships no types
from tenacity import wait_fixed

from components import kube_api
from components.dynamic_provider import OwnedProvider
from components.milvus_access import reach
from components.milvus_access.errors import AccessError, explained
from components.milvus_access.reach import Way, reached
from components.waiting import until


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
    settings: str = ""
    """Name of the group of settings that this comes from, for messages."""

    def inputs(self) -> dict[str, pulumi.Input[str]]:
        """Return it as inputs of a dynamic resource."""
        return {key: value for key, value in vars(self).items() if key != "settings"}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A way to Milvus that is open, and root's client on it."""

    way: Way
    root: MilvusClient


class MilvusProvider(OwnedProvider[Opened]):
    """Base of those that make things in Milvus. Inputs: those of Server, and what it makes."""

    @contextmanager
    def open(self, inputs: Mapping[str, Any], action: str) -> Iterator[Opened]:
        """Open it as root. AccessError for another cluster, and for a Milvus that does not let root in."""
        with explained(f"Milvus in the namespace {inputs['namespace']} ({inputs['uri']})", action):
            with kube_api.core() as api:
                _require_cluster(api, inputs)
                root = kube_api.require_secret(api, inputs["namespace"], inputs["root_secret"], ("username", "password"))
            with reached(inputs["uri"], inputs["ca_pem"]) as way:
                _require_login(way, root, inputs["root_secret"])
                with way.client(root["username"], root["password"]) as milvus:
                    yield Opened(way=way, root=milvus)


def _require_cluster(api: client.CoreV1Api, inputs: Mapping[str, Any]) -> None:
    metadata = api.read_namespace(inputs["namespace"], _request_timeout=kube_api.TIMEOUT_S).metadata
    if metadata is None or metadata.uid != inputs["namespace_uid"]:
        raise AccessError(
            f"the namespace {inputs['namespace']} of this shell's kubeconfig is not the one that Pulumi made: users would be made "
            f"elsewhere. Cure: point KUBECONFIG and its current context at the cluster of this stack",
            code="milvus.another_cluster",
        )


def _require_login(way: Way, root: Mapping[str, str], secret: str) -> None:
    """Wait until root is let in: a Milvus that has just become ready makes its users at its first start."""
    try:
        until(lambda: way.accepts(**root) or None, timeout_s=reach.PATIENCE_S, wait=wait_fixed(1))
    except TimeoutError:
        raise AccessError(
            f"it does not let {root['username']} in with the password of the Secret {secret}. Cure: if the password was changed by hand, "
            "put the new one into that Secret",
            code="milvus.root_refused",
        ) from None
