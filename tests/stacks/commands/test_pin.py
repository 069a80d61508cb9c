"""`./rag pin` against a real registry: digests as pushed, one lock or none, and a reason with a cure for whatever has no answer."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import project
from stacks import environments, promotion
from stacks.images.lock import named, pinned
from stacks.problems import UnansweredError
from tests.stacks.commands import registries
from tests.stacks.commands.registries import CHART_VERSION, Registry

pytestmark = pytest.mark.e2e

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def configure(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write an environment whose images are in the registry, and return where its lock will be."""
    images = {name: f"{registry.host}/rag/{name}:1.0" for name in ("milvus", "embedding", "llm", "suite")}
    for name in images:
        registry.push(f"rag/{name}", "1.0", name.encode())
    files = (Path("stacks/Pulumi.lab.yaml"), Path("stacks/example.lab.yaml"))
    given = project.merged(*(yaml.safe_load(path.read_text(encoding="utf-8"))["config"] for path in files))
    trusted = {"ca_file": str(registry.root / "tls.crt")}

    def write(*, registry_settings: dict[str, Any] = trusted, milvus: dict[str, Any] | None = None, **changed: str) -> Path:
        ours = {"images": {**images, **changed}, "registry": registry_settings, "milvus": milvus or {}}
        config = project.merged(given, {f"milvus-x10000:{key}": value for key, value in ours.items()})
        (tmp_path / "Pulumi.lab.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
        return tmp_path / "images.lab.lock"

    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.lab.yaml"))
    monkeypatch.setenv("PULUMI_STACK", "lab")
    monkeypatch.setenv("DOCKER_CONFIG", str(registry.root / "docker"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setattr("stacks.images.chart.CHARTS", tmp_path / "charts")
    return write


def test_every_image_is_pinned_to_what_was_pushed_and_up_uses_it(
    registry: Registry, configure: Callable[..., Path], command: Command
) -> None:
    path = configure(milvus=None)
    pushed = registry.push("rag/milvus", "1.0", b"milvus")
    code, printed, _ = command("pin", "lab")
    assert (code, str(path) in printed) == (0, True)
    written = yaml.safe_load(path.read_text())
    assert written["milvus"] == {"of": f"{registry.host}/rag/milvus:1.0", "reference": f"{registry.host}/rag/milvus:1.0@{pushed}"}
    assert written["chart"] == {"name": "lab/chart/milvus", "version": "0.1.0", "sha256": None}
    settings = environments.load("lab").settings
    assert pinned(settings, "lab").images.milvus.endswith(f"@{pushed}")
    assert f"image {registry.host}/rag/milvus:1.0@{pushed}" in command("images", "lab")[1]
    assert pushed.removeprefix("sha256:") in command("values", "lab")[1]


def test_an_image_of_several_platforms_is_pinned_by_its_index(registry: Registry, configure: Callable[..., Path], command: Command) -> None:
    pushed = registry.push_index("rag/two", "1.0")
    lock = configure(llm=f"{registry.host}/rag/two:1.0")
    assert command("pin", "lab")[0] == 0
    assert yaml.safe_load(lock.read_text())["llm"]["reference"].endswith(f"@{pushed}")


def test_a_mirror_is_asked_and_pulled_from(registry: Registry, configure: Callable[..., Path], command: Command) -> None:
    registry.push("hub/milvusdb/milvus", "v2.6.15", b"official")
    trusted = {"ca_file": str(registry.root / "tls.crt"), "mirrors": {"docker.io": f"{registry.host}/hub"}}
    lock = configure(registry_settings=trusted, llm="milvusdb/milvus:v2.6.15")
    assert command("pin", "lab")[0] == 0
    written = yaml.safe_load(lock.read_text())["llm"]
    assert written["of"] == "milvusdb/milvus:v2.6.15"
    assert written["reference"].startswith(f"{registry.host}/hub/milvusdb/milvus:v2.6.15@sha256:")


def test_a_tag_that_moved_since_it_passed_below_is_pinned_to_what_passed(
    registry: Registry, configure: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    lock, report = configure(), tmp_path / "report.json"
    assert command("pin", "lab")[0] == 0
    below = pinned(environments.load("lab").settings, "lab")
    report.write_text(json.dumps({"target": {"images": named(below)}, "result": {"outcome": "PASS"}}))
    promotion.record(below, "lab", report)
    written = (tmp_path / "passed.lab.yaml").read_text()
    (tmp_path / "passed.staging.yaml").write_text(written.replace("environment: lab", "environment: staging"))
    passed = yaml.safe_load(lock.read_text())["llm"]["reference"]
    registry.push("rag/llm", "1.0", b"another build under the same tag")
    assert command("pin", "lab")[0] == 0
    assert yaml.safe_load(lock.read_text())["llm"]["reference"] != passed
    assert command("pin", "lab", "--from", "staging")[0] == 0
    assert yaml.safe_load(lock.read_text())["llm"]["reference"] == passed


FAILURES: list[tuple[str, dict[str, Any], str | None, list[str]]] = [
    ("no such tag", {"llm": "{host}/rag/llm:9.9"}, "right", ["images.llm", "answers 404", "./rag images"]),
    ("wrong password", {}, "wrong", ["images.milvus", "answers 401", "docker login {host}"]),
    ("no password", {}, None, ["images.milvus", "answers 401", "docker login {host}"]),
    ("unknown CA", {"registry_settings": {}}, "right", ["certificate of {host} is not trusted", "registry.ca_file"]),
    (
        "nobody there",
        {"llm": "127.0.0.1:1/rag/llm:1.0"},
        "right",
        ["127.0.0.1:1 cannot be reached", "Connection refused", "registry.mirrors"],
    ),
    ("a digest that is not there", {"llm": "{host}/rag/llm@sha256:" + "0" * 64}, "right", ["answers 404"]),
]


@pytest.mark.parametrize(("changed", "password", "said"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
def test_what_has_no_answer_is_named_with_its_cure_and_nothing_is_written(  # noqa: PLR0917  one table
    changed: dict[str, Any],
    password: str | None,
    said: list[str],
    registry: Registry,
    configure: Callable[..., Path],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = configure(**{key: value.format(host=registry.host) if isinstance(value, str) else value for key, value in changed.items()})
    lock.write_text("as before")
    if password is None:
        (tmp_path / "docker").mkdir()
    else:
        registries.login(tmp_path / "docker", registry.host, registries.PASSWORD if password == "right" else "wrong")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with pytest.raises(UnansweredError) as caught:
        command("pin", "lab")
    assert caught.value.exit_code == 4
    for words in ("nothing was written", *said):
        assert words.format(host=registry.host) in str(caught.value)
    assert registries.PASSWORD not in str(caught.value)
    assert lock.read_text() == "as before"
    assert not list(tmp_path.glob("*.new"))


def test_a_chart_is_pinned_by_its_archive_which_stays_at_hand(
    registry: Registry, configure: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    content = registries.chart_archive()
    digest = hashlib.sha256(content).hexdigest()
    with registries.helm_repository(registry.root, content, digest) as url:
        lock = configure(milvus={"chart": "milvus", "chart_repository": url, "chart_version": CHART_VERSION})
        assert command("pin", "lab")[0] == 0
        assert f"chart {url}/ milvus {CHART_VERSION}" in command("images", "lab")[1]
    assert yaml.safe_load(lock.read_text())["chart"] == {"name": "milvus", "version": CHART_VERSION, "sha256": digest}
    assert (tmp_path / "charts" / f"milvus-{CHART_VERSION}.tgz").read_bytes() == content


@pytest.mark.parametrize(
    ("version", "digest", "told"), [(CHART_VERSION, "0" * 64, "the index of .* says 0000"), ("5.0.20", "", f"there is: {CHART_VERSION}")]
)
def test_a_chart_that_is_another_one_or_not_there_is_refused(  # noqa: PLR0917  as above
    version: str, digest: str, told: str, registry: Registry, configure: Callable[..., Path], command: Command
) -> None:
    with registries.helm_repository(registry.root, registries.chart_archive(), digest) as url:
        lock = configure(milvus={"chart": "milvus", "chart_repository": url, "chart_version": version})
        with pytest.raises(UnansweredError, match=told):
            command("pin", "lab")
    assert not lock.exists()


def test_a_chart_in_a_registry_is_pinned_too_and_what_is_no_chart_is_refused(
    registry: Registry, configure: Callable[..., Path], command: Command
) -> None:
    content = registries.chart_archive()
    registry.push("charts/milvus", CHART_VERSION, content, registries.CHART_LAYER)
    lock = configure(milvus={"chart": f"oci://{registry.host}/charts/milvus", "chart_version": CHART_VERSION})
    assert command("pin", "lab")[0] == 0
    assert yaml.safe_load(lock.read_text())["chart"]["sha256"] == hashlib.sha256(content).hexdigest()
    registry.push("rag/milvus", CHART_VERSION)
    configure(milvus={"chart": f"oci://{registry.host}/rag/milvus", "chart_version": CHART_VERSION})
    with pytest.raises(UnansweredError, match="it is no chart"):
        command("pin", "lab")
