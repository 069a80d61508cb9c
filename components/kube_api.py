"""The API of the cluster that KUBECONFIG names, for what Pulumi's own provider does not do; closed with its connections."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client, config


def load() -> None:
    """Choose the cluster; ConfigException where there is no kubeconfig."""
    # named aloud: the client reads the variable once, when it is imported
    config.load_kube_config(os.environ.get("KUBECONFIG"))  # type: ignore[no-untyped-call]  # not annotated in kubernetes 37


@contextmanager
def core() -> Iterator[client.CoreV1Api]:
    """Open it as whoever runs Pulumi; ConfigException where there is no kubeconfig."""
    load()
    with client.ApiClient() as api:
        try:
            yield client.CoreV1Api(api)
        finally:
            api.rest_client.pool_manager.clear()
