"""Every object of a stack as plain manifests, without cluster and network: what the program declares, and what Helm makes of the release.

A chart that is at hand (a directory, an archive, an archive that `./rag pin` or Helm has downloaded) is rendered by `helm template`;
else only the release itself is there, and a note says what is missing and how to get it.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.subject import Subject
from stacks.environments import Environment
from stacks.images import chart
from stacks.images.chart import Release
from stacks.rendering import declared
from stacks.rendering.declared import Declared
from stacks.yaml_files import dump

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

    @property
    def subject(self) -> Subject:
        """As the rules of `policies` see it."""
        name = self.manifest.get("metadata", {}).get("name", self.logical_name)
        return Subject(kind=self.kind, name=name, content=self.manifest, protect=self.protect)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """All objects, and what could not be rendered."""

    objects: list[Object]
    notes: list[str] = field(default_factory=list)


def render(environment: Environment) -> Rendered:
    """Render everything that the environment declares."""
    resources = [item for item in declared.of_environment(environment) if item.custom]
    notes: list[str] = []
    rendered = [each for item in resources if item.type == declared.RELEASE for each in _from_chart(declared.as_release(item), notes)]
    return Rendered(objects=sorted([*map(_object, resources), *rendered], key=lambda item: item.path), notes=notes)


def _object(item: Declared) -> Object:
    manifest = {key: value for key, value in item.inputs.items() if key != _COMPAT}
    return Object(origin="stack", type=item.type, logical_name=item.name, manifest=manifest, protect=item.protect, retain=item.retain)


def _from_chart(release: Release, notes: list[str]) -> Iterator[Object]:
    archive = chart.at_hand(release)
    if archive is None:
        source = f"--repo {release.repository} {release.chart}" if release.repository is not None else release.chart
        notes.append(
            f"the objects of the chart {release.chart} {release.version} are not among them, only the release with its values: the chart "
            f"is not on this machine; get it once: helm pull {source} --version {release.version} --destination {chart.CHARTS}"
        )
    elif shutil.which("helm") is None:
        notes.append("the objects of the chart are not among them, only the release with its values: there is no helm on PATH")
    else:
        for manifest in chart.template(release, archive):
            yield Object(origin="chart", type="", logical_name=str(manifest["metadata"]["name"]), manifest=manifest)
