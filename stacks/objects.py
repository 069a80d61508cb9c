"""Every object of a stack as plain manifests, without cluster and network: what the program declares, and what Helm makes of the release.

A chart that is at hand (a directory, an archive, an archive that `make pin` or Helm has downloaded) is rendered by `helm template`;
else only the release itself is there, and a note says what is missing and how to get it.
"""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from components.milvus_values.configuration import merge
from components.versions import KUBERNETES_VERSION, MILVUS_CHART_VERSION
from stacks import release
from stacks.declared import Declared
from stacks.dump import dump
from stacks.environments import Environment
from stacks.problems import SettingsError
from stacks.release import Release

CHARTS = Path("build/charts")
"""Where `make pin` keeps the chart that it computed a checksum of."""

_KUBERNETES = "kubernetes:"
_UNLISTED = {"image.all.pullSecrets"}
"""What templates of the official chart read, although its values only name it in a comment."""
_COMPAT = "compat"  # the SDK's own note to the plugin, no setting of ours


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object: of the cluster, or of another provider, such as a bucket."""

    origin: str
    """`stack`, or `chart` for what Helm renders."""
    type: str
    """Pulumi's token; "" for what Helm renders."""
    logical_name: str
    """Pulumi's name; the object's own for what Helm renders."""
    manifest: Mapping[str, Any]
    """With apiVersion and kind if it is one of the cluster; else the inputs of the provider."""
    protect: bool = False
    """Neither `destroy` nor a replacement may delete it."""
    retain: bool = False
    """Stays when the stack is destroyed."""

    @property
    def kind(self) -> str:
        """Kind of Kubernetes, or the last word of Pulumi's token."""
        return str(self.manifest.get("kind", self.type.rpartition(":")[2]))

    @property
    def path(self) -> Path:
        """File name that is the same in every run, and different for every object."""
        metadata: Mapping[str, Any] = self.manifest.get("metadata", {})
        parts = (self.kind, metadata.get("namespace", ""), metadata.get("name", self.logical_name))
        return Path(self.origin) / (".".join(re.sub(r"[^-A-Za-z0-9]+", "-", str(part)) for part in parts if part).lower() + ".yaml")

    @property
    def text(self) -> str:
        """The file: what Pulumi knows of it as a comment, and the manifest."""
        marks = [word for word, is_set in (("protected", self.protect), ("retained", self.retain)) if is_set]
        head = f"# {', '.join([f'{self.type} {self.logical_name}', *marks])}\n" if self.type else ""
        return head + dump(dict(self.manifest))


@dataclass(frozen=True, kw_only=True)
class Objects:
    """All of them, and what could not be rendered."""

    found: list[Object]
    notes: list[str] = field(default_factory=list)


def of(environment: Environment) -> Objects:
    """Render everything that the environment declares."""
    declared = [item for item in release.declared(environment) if item.custom]
    stack = [_object(item) for item in declared]
    releases = [release.from_inputs(item) for item in declared if item.type == release.TYPE]
    notes: list[str] = []
    chart = [rendered for each in releases for rendered in _from_chart(each, notes)]
    return Objects(found=sorted([*stack, *chart], key=lambda item: item.path), notes=notes)


def _object(item: Declared) -> Object:
    manifest = {key: value for key, value in item.inputs.items() if key != _COMPAT}
    return Object(origin="stack", type=item.type, logical_name=item.name, manifest=manifest, protect=item.protect, retain=item.retain)


def _from_chart(asked: Release, notes: list[str]) -> Iterator[Object]:
    chart = chart_at_hand(asked)
    if chart is None:
        notes.append(
            f"the objects of the chart {asked.chart} {asked.version} are not among them, only the release with its values: "
            f"the chart is not on this machine; get it once: helm pull {_pull_arguments(asked)} --destination {CHARTS}"
        )
    elif shutil.which("helm") is None:
        notes.append("the objects of the chart are not among them, only the release with its values: there is no helm on PATH")
    else:
        for manifest in template(asked, chart):
            yield Object(origin="chart", type="", logical_name=str(manifest["metadata"]["name"]), manifest=manifest)


def _pull_arguments(asked: Release) -> str:
    source = f"--repo {asked.repository} {asked.chart}" if asked.repository is not None else asked.chart
    return f"{source} --version {asked.version}"


def chart_at_hand(asked: Release) -> Path | None:
    """Where the chart is on this machine; None if it would have to be downloaded."""
    local = Path(asked.chart)
    if local.exists() and asked.repository is None:
        return local
    archive = f"{asked.chart.rpartition('/')[2]}-{asked.version}.tgz"
    return next((folder / archive for folder in (CHARTS, *_helm_cache()) if (folder / archive).is_file()), None)


def _helm_cache() -> list[Path]:
    """Where Helm keeps the archives that it downloaded."""
    if shutil.which("helm") is None:
        return []
    said = subprocess.run(["helm", "env", "HELM_REPOSITORY_CACHE"], capture_output=True, text=True, check=False).stdout.strip()
    return [Path(said)] if said else []


def refuse_dropped_keys(environment: Environment) -> None:
    """Ask the chart of the environment, where it is on this machine, whether it knows every key of the values; SettingsError."""
    asked = release.of(environment)
    chart = chart_at_hand(asked)
    if chart is not None and shutil.which("helm") is not None:
        refuse_unknown_keys(asked.values, chart)


def refuse_unknown_keys(values: Mapping[str, Any], chart: Path) -> None:
    """Compare the keys of the values with those of the very chart, since Helm drops unknown ones in silence; SettingsError."""
    with TemporaryDirectory() as folder:
        root = chart if chart.is_dir() else _unpacked(chart, Path(folder))
        known = _shown_values(root)
        for subchart in sorted(root.glob("charts/*")):
            name = re.sub(r"-\d.*", "", subchart.name)
            if name in known:
                own, known[name] = known[name], _shown_values(subchart)
                merge(known[name], own)
    unknown = sorted(set(_unknown(values, known)) - _UNLISTED)
    if unknown:
        raise SettingsError(
            f"the chart {chart} does not know {', '.join(unknown)}, and Helm would drop that in silence: it is of another version than "
            "the values are made for (5.0.8 to below 6). "
            f"Cure: pulumi config set --path milvus-x10000:milvus.chart_version {MILVUS_CHART_VERSION}"
        )


def _unpacked(archive: Path, folder: Path) -> Path:
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise SettingsError(f"the chart {archive} is no packed chart: {error}; remove it, and get it again with make pin") from None
    return next(folder.iterdir())


def _shown_values(chart: Path) -> dict[str, Any]:
    shown = subprocess.run(["helm", "show", "values", str(chart)], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise SettingsError(f"the chart {chart} has no values that Helm could show: {shown.stderr.strip()}")
    found: dict[str, Any] = yaml.safe_load(shown.stdout) or {}
    return found


def _unknown(values: Mapping[str, Any], known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the keys that are not there; what a chart leaves empty takes anything, and what is switched off may be missing."""
    for key, value in values.items():
        if key not in known:
            yield from [] if value == {"enabled": False} else [f"{path}{key}"]
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping) and known[key]:
            yield from _unknown(value, known[key], f"{path}{key}.")


def template(asked: Release, chart: Path) -> list[dict[str, Any]]:
    """Render the chart as Helm does at an install, and return its manifests.

    Raises SettingsError with Helm's own words where the chart refuses the values.
    """
    refuse_unknown_keys(asked.values, chart)
    command = ["helm", "template", asked.name, str(chart), "--namespace", asked.namespace, "--values", "-"]
    command += ["--kube-version", KUBERNETES_VERSION]
    ended = subprocess.run(command, input=yaml.safe_dump(asked.values), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SettingsError(f"the chart {chart} refuses the values of this environment: {ended.stderr.strip()}")
    return [item for item in yaml.safe_load_all(ended.stdout) if item]
