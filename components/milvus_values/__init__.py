"""From sizes and names to the values of the Milvus chart. Pure: one builder for the official chart and for the lab's.

Refuses to carry a key: the chart would write it in clear text into a ConfigMap, and Helm into its record of the release. Milvus reads
MINIO_ACCESS_KEY_ID and MINIO_SECRET_ACCESS_KEY from its environment with a higher priority than its files, so the values only name the
Secret. Strings that come from outputs stay leaves of the values; nothing here looks into them.
"""

import re
from pathlib import Path
from typing import Any

from components import pods
from components.component import CA_KEY
from components.flows import MILVUS_PORT
from components.milvus_values import configuration
from components.milvus_values.shape import MilvusShape, MilvusStore
from components.pods import gib
from components.templates import rendered

__all__ = ["CA_ANNOTATION", "CREDENTIAL_ANNOTATION", "SELECTOR", "SERVICE_NAME", "MilvusShape", "MilvusStore", "problems", "values"]
SERVICE_NAME = "milvus"
SELECTOR = {"app.kubernetes.io/name": "milvus", "app.kubernetes.io/instance": "milvus"}
CREDENTIAL_ANNOTATION = "milvus-x10000/credential-generation"
CA_ANNOTATION = "milvus-x10000/ca-sha256"
_ROOT_GROUP = 0
"""Older images give their files to root and its group (mode 0774), newer ones to user 999: its user in this group may run both."""


def values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    """Return the values of the chart, with what the operator adds."""
    built = _own_values(shape, store)
    configuration.merge(built, shape.extra_values)
    return built


def problems(shape: MilvusShape, store: MilvusStore) -> list[str]:
    """Why what the operator adds cannot be added; empty where it can."""
    values, config = _own_values(shape, store), configuration.tree(shape, store)
    return [*configuration.problems_of_values(values, shape.extra_values), *configuration.problems_of_config(config, shape.extra_config)]


def _own_values(shape: MilvusShape, store: MilvusStore) -> dict[str, Any]:
    kafka, marks = shape.wal.kafka, {CREDENTIAL_ANNOTATION: store.credential_generation}
    secrets = {"proxy": shape.security.proxy_secret, "internal": shape.security.internal_secret, "etcd": shape.etcd.certificate_secret}
    secrets["kafka"] = kafka.certificate_secret if kafka is not None else None
    places = {"milvus-run": "/run/milvus", "milvus-tmp": "/tmp"}  # noqa: S108  a path in the container
    words: dict[str, Any] = {
        "marks": marks | ({CA_ANNOTATION: store.ca_sha256} if store.ca_sha256 else {}),
        "places": places | ({"milvus-local": configuration.PLACES["local_directory"]} if shape.is_cluster else {}),
        "certificates": {part: secret for part, secret in secrets.items() if secret is not None},
        "image": split_image(shape.image),
        "etcd_image": _etcd_image(shape.etcd.image),
        "pod_security": pods.pod_security(assign_ids=shape.options.assign_ids, user=shape.user_id, group=_ROOT_GROUP),
        "container_security": pods.container_security(),
        "user_yaml": configuration.text(shape, store),
        "name": SERVICE_NAME,
        "selector": SELECTOR,
        "proxy_port": str(MILVUS_PORT),
        "ca_key": CA_KEY,
        "gib": gib,
    }
    return dict(rendered(Path(__file__).with_name("values.yaml.j2"), shape=shape, store=store, **words, **configuration.PLACES)[0])


_IMAGE = re.compile(r"(?P<repository>[^@]*?)(?::(?P<tag>[^:/@]+))?(?:@(?P<algorithm>\w+):(?P<digest>[0-9a-f]+))?")


def split_image(reference: str) -> dict[str, str]:
    """`repository` and `tag` for a chart that joins them with a colon: a digest travels with the tag, or a bare one with the repository."""
    match = _IMAGE.fullmatch(reference)
    if match is None or not (match["tag"] or match["digest"]):
        raise ValueError(f"image {reference!r} has neither a tag nor a digest")
    repository, tag, algorithm, digest = match.group("repository", "tag", "algorithm", "digest")
    if not digest:
        return {"repository": repository, "tag": tag}
    whole = f"{algorithm}:{digest}"
    return {"repository": repository, "tag": f"{tag}@{whole}"} if tag else {"repository": f"{repository}@{algorithm}", "tag": digest}


def _etcd_image(reference: str | None) -> dict[str, str]:
    """Parts of the image of the chart's own etcd, whose chart puts docker.io before a repository without a registry."""
    image = split_image(reference) if reference is not None else {}
    first, slash, rest = image.get("repository", "").partition("/")
    is_registry = slash and ("." in first or ":" in first or first == "localhost")
    return image | ({"registry": first, "repository": rest} if is_registry else {})
