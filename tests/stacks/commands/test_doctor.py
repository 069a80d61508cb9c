"""`make doctor`: a release that a killed helm left behind is recognised, explained and cured, on a real cluster with a real helm."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from stacks import environments, helm
from stacks.diagnosis import diagnose
from stacks.helm import Revision
from stacks.problems import UnansweredError
from tests.e2e.lab import Lab

Command = Callable[..., tuple[int, str, str]]
NAMESPACE = "doctor-e2e"


def revisions(*statuses: str) -> list[Revision]:
    old = datetime.now(UTC) - timedelta(hours=1)
    return [Revision(number=number, status=status, updated=old, description="as it was") for number, status in enumerate(statuses, 1)]


@pytest.mark.parametrize(
    ("statuses", "cure", "revision"),
    [
        ((), "none", 0),
        (("deployed",), "none", 0),
        (("superseded", "failed", "deployed"), "none", 0),
        (("pending-install",), "remove", 0),
        (("failed",), "remove", 0),
        (("failed", "failed"), "remove", 0),
        (("deployed", "pending-upgrade"), "roll back", 1),
        (("superseded", "deployed", "failed"), "roll back", 2),
        (("superseded", "deployed", "failed", "pending-rollback"), "roll back", 2),
        (("deployed", "uninstalling"), "remove", 0),
    ],
)
def test_a_history_has_one_meaning_and_one_cure(statuses: tuple[str, ...], cure: str, revision: int) -> None:
    found = diagnose(revisions(*statuses))
    assert (found.cure, found.revision) == (cure, revision)
    assert (found.pending_for_s is None) == (not statuses or statuses[-1] not in helm.PENDING)


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a chart whose pod, if it is asked for, never becomes ready."""
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "sick", "version": "0.1.0"}))
    (folder / "templates" / "kept.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\n")
    pod = {"containers": [{"name": "never", "image": "lab.local/no-such-image:1", "imagePullPolicy": "Never"}]}
    manifest = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "never"}, "spec": pod})
    (folder / "templates" / "never.yaml").write_text("{{ if .Values.sick }}\n" + manifest + "{{ end }}\n")
    (folder / "values.yaml").write_text("sick: false\n")
    return folder


@pytest.fixture
def _namespace(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a namespace, and an environment that is there."""
    files = (Path("stacks/Pulumi.lab.yaml"), Path("stacks/example.lab.yaml"))
    config = environments._laid_over(*(yaml.safe_load(path.read_text(encoding="utf-8"))["config"] for path in files))
    config["milvus-x10000:namespace"] = NAMESPACE
    config["milvus-x10000:object_store"] |= {"confirm_delete": [f"{NAMESPACE}-milvus", f"{NAMESPACE}-documents"]}
    (tmp_path / "Pulumi.lab.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.lab.yaml"))
    monkeypatch.setenv("PULUMI_STACK", "lab")
    lab.run("kubectl", "create", "namespace", NAMESPACE)
    try:
        yield
    finally:
        lab.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def killed(*arguments: str) -> None:
    """Start a helm that waits for what never comes, and kill it once its record is written."""
    process = subprocess.Popen(["helm", *arguments, "--namespace", NAMESPACE, "--set", "sick=true", "--wait"], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not any(each.status in helm.PENDING for each in helm.history("milvus", NAMESPACE)[-1:]) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.e2e
@pytest.mark.usefixtures("_namespace")
def test_a_killed_install_is_removed_and_a_killed_upgrade_rolled_back_each_with_consent(chart: Path, command: Command) -> None:
    assert "not installed" in command("doctor", "lab")[1]
    killed("install", "milvus", str(chart))
    code, told, _ = command("doctor", "lab")
    assert code == 1
    assert "revision 1 is pending-install" in told
    assert "another operation is in progress" in told
    assert "make doctor ENV=lab CURE=--cure" in told
    code, told, _ = command("doctor", "lab", "--cure", "--yes")
    assert (code, "may still be" in told) == (1, True), "a helm that began just now may still be at work"
    assert command("doctor", "lab", "--cure", "--patience-s", "0")[0] == 1, "nobody said yes"
    assert command("doctor", "lab", "--cure", "--yes", "--patience-s", "0")[0] == 0
    assert helm.history("milvus", NAMESPACE) == []

    subprocess.run(["helm", "install", "milvus", str(chart), "--namespace", NAMESPACE, "--wait"], check=True, stdout=subprocess.DEVNULL)
    killed("upgrade", "milvus", str(chart))
    assert "revision 2 is pending-upgrade" in command("doctor", "lab")[1]
    assert command("doctor", "lab", "--cure", "--yes", "--patience-s", "0")[0] == 0
    assert [each.status for each in helm.history("milvus", NAMESPACE)][-1] == "deployed"
    assert "nothing is half-done" in command("doctor", "lab")[1]


@pytest.mark.e2e
def test_a_cluster_that_does_not_answer_is_said(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(UnansweredError, match=r"helm cannot read the release 'milvus'.*check KUBECONFIG"):
        command("doctor", "lab")
