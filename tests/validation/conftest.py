"""Shared fixtures: a profile that keeps its promises, a tiny corpus, and real small services on loopback."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.validation.services import Bucket, KubernetesApi, Models, Switch, kubeconfig, serving
from validation.checks.gate import GATE
from validation.judge.measures import Measurement, Measurements
from validation.judge.profile import Profile

assert GATE.checks, "a profile can only name measures of registered checks"

LAB = Path(__file__).parents[2] / "validation" / "slo.lab.yaml"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test change the proxy variables without the next one seeing it."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))


@pytest.fixture(scope="session")
def profile() -> Profile:
    return Profile.model_validate(yaml.safe_load(LAB.read_text(encoding="utf-8")))


@pytest.fixture
def good(profile: Profile) -> Measurements:
    """Return a number for everything, all promises kept without a warning."""
    numbers = {name: (objective.warn or objective.limit)[0][0].value for name, objective in profile.objectives.items()}
    numbers |= {"vectors": profile.vectors.value, "search_requests": profile.requests.value, "search_sent_rate": profile.rate.value}
    numbers |= {"search_drift_ms": 0.0, "truth_coverage": 1.0, "planted_in_truth": 1.0, "truth_beaten_share": 0.0, "recall_at_10": 0.99}
    numbers |= {f"search_delay_p{percentile}_ms": 0.1 for percentile in (50, 95, 99)}
    return {name: Measurement(value=value, samples=10_000) for name, value in numbers.items()}


@pytest.fixture
def corpus_dir(tmp_path: Path) -> Path:
    """Write a corpus of one Markdown and one HTML document, with two questions."""
    return write_corpus(tmp_path / "corpus")


def write_corpus(root: Path) -> Path:
    for language in ("en", "de"):
        (root / "documents" / language).mkdir(parents=True)
    (root / "documents/en/pump.md").write_text(
        "# Pump manual\n\nThe pump lifts 40 litres.\n\n## Care\n\n- Oil it weekly.\n- Keep it dry.\n"
    )
    html = "<html><head><title>Hausordnung</title><script>x()</script></head><body><h1>Hausordnung</h1><p>Ruhe ab 22 Uhr.</p></body></html>"
    (root / "documents/de/haus.html").write_text(html)
    questions = [
        {
            "id": "q1",
            "question": "How much does the pump lift?",
            "language": "en",
            "relevance": {"pump": 3},
            "fact": "40 litres",
            "kind": "fact",
        },
        {
            "id": "q2",
            "question": "Ab wann ist Ruhe?",
            "language": "de",
            "relevance": {"haus": 3, "pump": 0},
            "fact": "22 Uhr",
            "kind": "fact",
        },
    ]
    (root / "questions.jsonl").write_text("".join(json.dumps(question) + "\n" for question in questions))
    return root


@pytest.fixture(scope="session")
def switches() -> Iterator[dict[str, tuple[Switch, str]]]:
    """Start one server for each kind of service; a test puts its own application behind it."""
    with ExitStack() as running:
        made = {kind: Switch() for kind in ("models", "bucket", "kubernetes")}
        yield {kind: (switch, running.enter_context(serving(switch))) for kind, switch in made.items()}


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def models_url(models: Models, switches: dict[str, tuple[Switch, str]]) -> str:
    switch, address = switches["models"]
    switch.app = models.app()
    return f"{address}/v1"


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def bucket_url(bucket: Bucket, switches: dict[str, tuple[Switch, str]]) -> str:
    switch, address = switches["bucket"]
    switch.app = bucket.app()
    return address


@pytest.fixture
def kubernetes_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switches: dict[str, tuple[Switch, str]]) -> KubernetesApi:
    """Serve a Kubernetes API, and point KUBECONFIG at it."""
    switch, address = switches["kubernetes"]
    api = KubernetesApi()
    switch.app = api.app()
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(address))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return api
