"""The chart of Milvus: its archive and checksum, where it is on this machine, which values it knows, and what Helm makes of them.

The checksum is computed from the archive itself and compared with what the repository's index says. The archive stays in build/charts,
where `render` and `policies` find it. A chart that is a directory has no archive: the commit pins it.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urljoin

import yaml

from components.milvus_values.configuration import merge
from components.versions import KUBERNETES_VERSION, MILVUS_CHART_VERSION
from stacks import images
from stacks.images import registry
from stacks.images.registry import Access
from stacks.problems import SettingsError, UnansweredError, failure
from stacks.yaml_files import write_whole

CHARTS = Path("build/charts")  # where `./rag pin` keeps the chart that it computed a checksum of
_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_OCI = "oci://"
_UNLISTED = {"image.all.pullSecrets"}  # what templates of the official chart read, although its values only name it in a comment


@dataclass(frozen=True, kw_only=True)
class Release:
    """What Helm is asked for."""

    name: str
    namespace: str
    chart: str  # path, OCI reference, or name in `repository`
    version: str
    repository: str | None  # URL; None for a path or an OCI reference
    values: dict[str, Any]

    @property
    def archive(self) -> str:
        """File name of the packed chart."""
        return f"{self.chart.rpartition('/')[2]}-{self.version}.tgz"


def checksum(release: Release, access: Access) -> str | None:
    """Return the sha256 of the chart's archive, None for a chart that is a directory; UnansweredError with the cure."""
    local = Path(release.chart)
    if release.repository is None and local.is_dir():
        return None
    if release.repository is not None:
        content = _from_repository(release, release.repository, access)
    elif release.chart.startswith(_OCI):
        reference = images.parse(f"{release.chart.removeprefix(_OCI)}:{release.version}")
        content = registry.pull_layer(reference, _LAYER, access)
    elif local.is_file():
        return _sha256(local.read_bytes())
    else:
        raise failure("chart_no_file", UnansweredError, chart=release.chart, here=Path.cwd())
    write_whole(CHARTS / release.archive, content)
    return _sha256(content)


def _from_repository(release: Release, repository: str, access: Access) -> bytes:
    base = repository if repository.endswith("/") else f"{repository}/"
    index = yaml.load(registry.get(urljoin(base, "index.yaml"), access), Loader=yaml.CSafeLoader)
    entries = index.get("entries", {}) if isinstance(index, dict) else {}
    versions: dict[str, dict[str, Any]] = {str(entry["version"]): entry for entry in entries.get(release.chart, [])}
    if release.version not in versions:
        there = ", ".join(list(versions)[:5]) or "none"
        raise failure("chart_not_in_repository", UnansweredError, repository=repository, release=release, there=there)
    content = registry.get(urljoin(base, versions[release.version]["urls"][0]), access)
    expected, checksum = versions[release.version].get("digest"), _sha256(content)
    if expected is not None and expected.removeprefix("sha256:") != checksum:
        words = {"release": release, "repository": repository, "checksum": checksum, "expected": expected}
        raise failure("chart_replaced", UnansweredError, **words)
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def at_hand(release: Release) -> Path | None:
    """Where the chart is on this machine; None if it would have to be downloaded."""
    local = Path(release.chart)
    if local.exists() and release.repository is None:
        return local
    folders = [CHARTS]
    if shutil.which("helm") is not None:
        command = ["helm", "env", "HELM_REPOSITORY_CACHE"]
        cache = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        folders += [Path(cache)] if cache else []
    return next((folder / release.archive for folder in folders if (folder / release.archive).is_file()), None)


def refuse_dropped_keys(release: Release) -> None:
    """Ask the chart, where it is on this machine, whether it knows every key of the values; SettingsError."""
    chart = at_hand(release)
    if chart is not None and shutil.which("helm") is not None:
        refuse_unknown_keys(release.values, chart)


def refuse_unknown_keys(values: Mapping[str, Any], chart: Path) -> None:
    """Compare the keys of the values with those of the very chart, since Helm drops unknown ones in silence; SettingsError."""
    with TemporaryDirectory() as folder:
        root = chart
        if not chart.is_dir():
            try:
                with tarfile.open(chart) as packed:
                    packed.extractall(folder, filter="data")
            except (tarfile.TarError, OSError) as error:
                raise failure("chart_no_archive", chart=chart, error=error) from None
            root = next(Path(folder).iterdir())
        known = _default_values(root)
        for subchart in sorted(root.glob("charts/*")):
            name = re.sub(r"-\d.*", "", subchart.name)
            if name in known:
                own, known[name] = known[name], _default_values(subchart)
                merge(known[name], own)
    if unknown := sorted(set(_unknown(values, known)) - _UNLISTED):
        raise failure("chart_unknown_keys", chart=chart, keys=", ".join(unknown), version=MILVUS_CHART_VERSION)


def _default_values(chart: Path) -> dict[str, Any]:
    shown = subprocess.run(["helm", "show", "values", str(chart)], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise SettingsError(f"the chart {chart} has no values that Helm could show: {shown.stderr.strip()}")
    values: dict[str, Any] = yaml.safe_load(shown.stdout) or {}
    return values


def _unknown(values: Mapping[str, Any], known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the keys that are not there; what a chart leaves empty takes anything, and what is switched off may be missing."""
    for key, value in values.items():
        if key not in known:
            yield from [] if value == {"enabled": False} else [f"{path}{key}"]
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping) and known[key]:
            yield from _unknown(value, known[key], f"{path}{key}.")


def template(release: Release, chart: Path) -> list[dict[str, Any]]:
    """Render the chart as Helm does at an install, and return its manifests; SettingsError with Helm's words where it refuses."""
    refuse_unknown_keys(release.values, chart)
    command = ["helm", "template", release.name, str(chart), "--namespace", release.namespace, "--values", "-"]
    command += ["--kube-version", KUBERNETES_VERSION]
    ended = subprocess.run(command, input=yaml.safe_dump(release.values), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SettingsError(f"the chart {chart} refuses the values of this environment: {ended.stderr.strip()}")
    return [item for item in yaml.safe_load_all(ended.stdout) if item]
