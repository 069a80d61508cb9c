"""Every environment, as the API server of a real cluster sees it: a server-side dry run of each object, and nothing is made."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import project
from stacks import environments, promotion
from stacks.images import lock
from stacks.images.lock import PinnedChart, PinnedImage, Pins
from stacks.settings import Settings
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
    own = stack_of_its_own(name, configuration(name, chart), lab, tmp_path)
    assert refusals(name, lab, own) == []


def refusals(name: str, lab: Lab, own: dict[str, str]) -> list[str]:
    """Preview it, and return the errors that are no lack of the lab's."""
    seen = lab.run("pulumi", "preview", "--stack", name, "--non-interactive", environment=own)
    errors = [line for line in seen.output.splitlines() if "error:" in line and "preview failed" not in line]
    assert seen.code == 0 or errors, seen.output
    return [line for line in errors if not any(words in line for words in MISSING_HERE)]


def stack_of_its_own(name: str, config: dict[str, Any], lab: Lab, tmp_path: Path) -> dict[str, str]:
    """Make an empty stack with a backend of its own, and return the environment of commands on it."""
    (tmp_path / "backend").mkdir()
    (tmp_path / "passphrase").write_text("for a preview")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
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
    return own


def pin(number: int, given: Settings, tmp_path: Path) -> Settings:
    """Pin every image of `dev` to digests of a build that nobody ever made."""
    images = {part: PinnedImage(of=text, reference=f"{text}@sha256:{number:064x}") for part, text in lock.named(given).items()}
    pins = Pins(images=images, chart=PinnedChart(name=given.milvus.chart, version="5.0.19", sha256=None))
    assert lock.write("dev", pins) == tmp_path / "images.dev.lock"
    return lock.pinned(given, "dev")


@pytest.mark.usefixtures("_namespace")
def test_pulumi_alone_refuses_what_did_not_pass_below_and_takes_it_with_a_pass_or_with_the_reason_that_the_refusal_asks_for(
    lab: Lab, chart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration("dev", chart)
    config["config"]["milvus-x10000:promotion"] = {"passed_in": "below"}
    own = stack_of_its_own("dev", config, lab, tmp_path)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    given, report = environments.load("dev").settings, tmp_path / "report.json"
    below = pin(1, given, tmp_path)
    refused = lab.run("pulumi", "preview", "--stack", "dev", "--non-interactive", environment=own)
    assert "there is no pass of 'below'" in refused.output
    assert refused.code

    report.write_text(json.dumps({"target": {"images": lock.named(below)}, "result": {"outcome": "PASS"}}))
    promotion.record(below.model_copy(update={"promotion": None}), "dev", report)
    passed = (tmp_path / "passed.dev.yaml").read_text().replace("environment: dev", "environment: below")
    (tmp_path / "passed.below.yaml").write_text(passed)
    (tmp_path / "passed.dev.yaml").unlink()
    assert refusals("dev", lab, own) == []

    pin(2, given, tmp_path)
    refused = lab.run("pulumi", "preview", "--stack", "dev", "--non-interactive", environment=own)
    typed = re.search(r"pulumi config set --path (\S+) REASON", refused.output)
    assert refused.code, refused.output
    assert typed is not None, refused.output
    assert f"{1:064x} did" in refused.output
    told = lab.run("pulumi", "config", "set", "--stack", "dev", "--path", typed[1], "INC-17: below is down", environment=own)
    assert told.code == 0, told.output
    seen = lab.run("pulumi", "preview", "--stack", "dev", "--non-interactive", environment=own)
    assert "runs here by override: INC-17: below is down" in seen.output
    assert "did not pass in" not in seen.output
