"""Get the archive of a chart, and its checksum: from a repository by HTTPS, from an OCI registry, or from a file.

The checksum is computed from the archive itself and compared with what the repository's index says. The archive stays in build/charts,
where `render` and `policies` find it. A chart that is a directory has no archive: the commit pins it.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import yaml

from stacks import image_names, registry
from stacks.objects import CHARTS
from stacks.problems import UnansweredError
from stacks.registry import Access
from stacks.release import Release

_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_OCI = "oci://"


def checksum(asked: Release, access: Access) -> str | None:
    """Return the sha256 of the chart's archive in hexadecimal; None for a chart that is a directory.

    Raises UnansweredError with the reason and the cure.
    """
    local = Path(asked.chart)
    if asked.repository is None and local.is_dir():
        return None
    if asked.repository is not None:
        content = _from_repository(asked, asked.repository, access)
    elif asked.chart.startswith(_OCI):
        content = _from_registry(asked, access)
    elif local.is_file():
        return _sha256(local.read_bytes())
    else:
        raise UnansweredError(
            f"the chart {asked.chart} is no file, seen from {Path.cwd()}; give the path, oci://..., or a name in a repository"
        )
    _keep(asked, content)
    return _sha256(content)


def _from_repository(asked: Release, repository: str, access: Access) -> bytes:
    base = repository if repository.endswith("/") else f"{repository}/"
    entry = _entry(asked, yaml.load(_get(urljoin(base, "index.yaml"), access), Loader=yaml.CSafeLoader), repository)
    content = _get(urljoin(base, entry["urls"][0]), access)
    expected = entry.get("digest")
    if expected is not None and expected.removeprefix("sha256:") != _sha256(content):
        raise UnansweredError(
            f"{asked.chart} {asked.version}: the archive has the checksum {_sha256(content)}, the index of {repository} says {expected}; "
            "something between changes what it sends, or the archive was replaced"
        )
    return content


def _entry(asked: Release, index: Any, repository: str) -> dict[str, Any]:  # noqa: ANN401  somebody else's file
    entries = index.get("entries", {}) if isinstance(index, dict) else {}
    versions = {str(entry["version"]): entry for entry in entries.get(asked.chart, [])}
    if asked.version not in versions:
        there = ", ".join(list(versions)[:5]) or "none"
        raise UnansweredError(
            f"{repository} has no chart {asked.chart!r} {asked.version}; there is: {there}; set milvus.chart_version, or mirror it"
        )
    found: dict[str, Any] = versions[asked.version]
    return found


def _from_registry(asked: Release, access: Access) -> bytes:
    name = asked.chart.removeprefix(_OCI)
    return registry.pull_layer(image_names.parse(f"{name}:{asked.version}"), _LAYER, access)


def _get(url: str, access: Access) -> bytes:
    host = urlsplit(url).netloc
    try:
        answer = requests.get(url, timeout=registry.TIMEOUT_S, verify=access.ca_bundle)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UnansweredError(f"{url}: {registry.said(error, host)}") from None
    return answer.content


def _keep(asked: Release, content: bytes) -> None:
    CHARTS.mkdir(parents=True, exist_ok=True)
    target = CHARTS / f"{asked.chart.rpartition('/')[2]}-{asked.version}.tgz"
    fresh = target.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(target)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
