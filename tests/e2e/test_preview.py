"""Every environment, as the API server of a real cluster sees it: a server-side dry run of each object, and nothing is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import project
from tests import filled_in
from tests.e2e.lab import Lab

pytestmark = pytest.mark.e2e

NAMESPACE = "preview-e2e"
MISSING_HERE = ("no matches for kind", "the server could not find the requested resource", "needs a CRD")
"""What the lab's cluster does not have: kinds of other people's operators. Anything else that is refused is our mistake."""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a chart that stands in for the official one, which cannot be had here: the values are taken, and no pod is made of them."""
    folder = tmp_path / "milvus"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "milvus", "version": "5.0.19"}))
    (folder / "templates" / "it.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: milvus}\n")
    return folder


@pytest.fixture
def _namespace(lab: Lab) -> Iterator[None]:
    """Make the namespace: in one that is not there, the API server judges nothing."""
    lab.run("kubectl", "create", "namespace", NAMESPACE)
    try:
        yield
    finally:
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def configuration(name: str, chart: Path) -> dict[str, Any]:
    """Take the environment's own, filled in, with a namespace and buckets that are nobody's."""
    config = filled_in.configuration(name, chart.parent)
    ours = {
        "namespace": NAMESPACE,
        "images_pinned": "optional",
        "object_store": {"milvus_bucket": f"{NAMESPACE}-milvus", "documents_bucket": f"{NAMESPACE}-documents"},
        "milvus": {"chart": str(chart)},
    }
    known = {f"milvus-x10000:{key}": value for key, value in ours.items() if key != "images_pinned" or f"milvus-x10000:{key}" in config}
    config["milvus-x10000:milvus"].pop("chart_repository", None)
    return {"config": project.merged(config, {**known, "kubernetes:upsertExistingObjects": "true"})}


@pytest.mark.usefixtures("_namespace")
@pytest.mark.parametrize("name", [pytest.param("dev", marks=pytest.mark.proof), "prod"])
def test_the_api_server_refuses_nothing_but_what_the_lab_has_no_kind_for(name: str, lab: Lab, chart: Path, tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "passphrase").write_text("for a preview")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration(name, chart)))
    own = {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/backend",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "PULUMI_OPTION_CONFIG_FILE": str(tmp_path / "config.yaml"),
        "PULUMI_STACK": name,
    }
    (tmp_path / "Pulumi.yaml").write_text(f"name: {project.PROJECT}\nruntime: python\n")
    made = lab.run(
        "pulumi", "stack", "init", name, "--secrets-provider", "passphrase", "--non-interactive", "--cwd", str(tmp_path), environment=own
    )
    assert made.code == 0, made.output
    seen = lab.run("pulumi", "preview", "--stack", name, "--non-interactive", environment=own)
    errors = [line for line in seen.output.splitlines() if "error:" in line and "preview failed" not in line]
    assert [line for line in errors if not any(words in line for words in MISSING_HERE)] == [], seen.output
    assert seen.code == 0 or errors
