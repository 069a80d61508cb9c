"""What the accepted mutations of Pulumi.prod.yaml render is what the API server takes: a strict server-side dry run of every object.

Once the stack's own objects; and once the chart's too, where MILVUS_CHART names the official chart on this machine.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import rendering
from stacks.problems import SettingsError
from stacks.rendering import Object
from tests import filled_in
from tests.e2e.lab import Lab
from tests.e2e.test_platform import known
from tests.stacks import fuzz

pytestmark = [pytest.mark.e2e, pytest.mark.proof]

NAMESPACE = "fuzz-e2e"
CHART = os.environ.get("MILVUS_CHART", "")
MISSING_HERE = ("no matches for kind", "ensure CRDs are installed first")
"""What the lab's cluster does not have: kinds of other people's operators."""
AT_ONCE = 100
"""Objects of one call of kubectl."""


@pytest.fixture
def _namespace(lab: Lab) -> Iterator[None]:
    lab.run("kubectl", "create", "namespace", NAMESPACE)
    try:
        yield
    finally:
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(params=["own", "official"])
def chart(request: pytest.FixtureRequest) -> str:
    """Return the official chart, whose objects are rendered too; "" for the stack's own objects alone."""
    if request.param == "official" and not CHART:
        pytest.skip("MILVUS_CHART names no directory with an official chart of Milvus")
    return CHART if request.param == "official" else ""


def sent(item: Object) -> dict[str, Any] | None:
    """Return an object as the API server may get it; None for what is no object of a cluster."""
    manifest: dict[str, Any] = known(yaml.safe_load(item.text))
    if "apiVersion" not in manifest or item.kind == "Release":
        return None
    metadata = manifest.setdefault("metadata", {})
    metadata.setdefault("name", item.logical_name)
    if item.kind == "Secret":  # its values are placeholders, which are no base64
        for name in ("data", "stringData"):
            manifest.pop(name, None)
    return manifest


def rendered(chart: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Every object of every accepted mutation."""
    config = filled_in.configuration("prod", folder)
    config |= {"milvus-x10000:namespace": NAMESPACE}
    if chart:
        config["milvus-x10000:milvus"] |= {"chart": chart}
    for mutation in fuzz.mutations():
        try:
            environment = fuzz.load(fuzz.mutated(config, mutation), folder, patch)
        except SettingsError:
            continue
        if environment.settings.namespace != NAMESPACE:
            continue  # in a namespace that is not there the API server judges nothing
        found = [item for item in rendering.render(environment).objects if chart or item.origin == "stack"]
        yield from (manifest for item in found if (manifest := sent(item)) is not None)


@pytest.mark.usefixtures("_namespace")
def test_the_api_server_takes_every_object_of_every_mutation_that_is_accepted(
    chart: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = sorted({yaml.safe_dump(manifest) for manifest in rendered(chart, tmp_path, monkeypatch)})
    assert len(texts) > 50, "too few to say anything"
    command = ["kubectl", "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"]
    refused = []
    for start in range(0, len(texts), AT_ONCE):
        whole = "---\n".join(texts[start : start + AT_ONCE])
        ended = subprocess.run(command, input=whole, capture_output=True, text=True, check=False)
        refused += [line for line in ended.stderr.splitlines() if not any(words in line for words in MISSING_HERE)]
    assert refused == []
