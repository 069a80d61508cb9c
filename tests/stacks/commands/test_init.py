"""`./rag init`: two new files that are good settings, with comments; what nobody said stays an example, and nothing is replaced."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks import environments
from stacks.problems import SettingsError
from validation.checks.gate import GATE
from validation.judge.slo_file import read_profile

Command = Callable[..., tuple[int, str, str]]
KUBECONFIG = """{current-context: admin@acme, contexts: [{name: admin@acme, context: {cluster: acme}}],
clusters: [{name: acme, cluster: {server: "https://k8s.acme.test:6443"}}]}"""


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout of which only the files of environments are there."""
    for folder, pattern in (("stacks", "Pulumi.*.yaml"), ("validation", "slo.*.yaml")):
        (tmp_path / folder).mkdir()
        for path in Path(folder).glob(pattern):
            shutil.copy2(path, tmp_path / folder)
    monkeypatch.setattr(environments, "_FOLDER", tmp_path / "stacks")
    monkeypatch.setattr(environments, "_SLO", tmp_path / "validation")
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


STORES = {
    "s3": ["--set", "object_store.iam_endpoint=https://store.acme.test:8", "--set", "object_store.admin_profile=acme-admin"],
    "existing": ["--set", "object_store.milvus_secret=milvus-key"],
    "greenlake": ["--set", "object_store.system_id=8UW0002928"],
    "cosi": [],
}


@pytest.mark.parametrize("driver", STORES)
@pytest.mark.parametrize("size", [("--size", "small"), ("--size", "large"), ("--size", "large", "--gpu", "NVIDIA-H100-NVL")])
def test_both_files_are_good_and_only_the_answers_are_missing(driver: str, size: tuple[str, ...], command: Command, checkout: Path) -> None:
    given = ["--driver", driver, "--endpoint", "https://store.acme.test:9", "--registry", "registry.acme.test/rag", *size, *STORES[driver]]
    code, printed, _ = command("init", "acme", *given)
    assert code == 0, printed
    written = environments.load("acme", own_files_only=True)
    assert (written.settings.object_store.driver, written.settings.namespace) == (driver, "rag-acme")
    assert written.settings.images.milvus.startswith("registry.acme.test/rag/")
    assert written.settings.cluster.context == "admin@acme"
    unknown_here = 'milvus-x10000:network.addresses["x10000.example.net"]'
    assert {problem.key for problem in written.placeholders} <= {"milvus-x10000:milvus.tls.ca_file", unknown_here}
    assert ("NVIDIA-H100-NVL" in (checkout / "stacks" / "Pulumi.acme.yaml").read_text()) == ("--gpu" in size)
    assert GATE
    assert read_profile(checkout / "validation" / "slo.acme.yaml").profile == "acme"
    assert "not reached from here: https://store.acme.test:9" in printed
    assert "pulumi stack init acme" in printed
    assert "./rag check acme --pre" in printed.splitlines()[-1]


@pytest.mark.parametrize(("host", "named"), [("store.acme.test", True), ("10.9.8.7", False)])
def test_pods_may_reach_the_addresses_that_the_name_of_the_store_has_here(
    host: str, named: bool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, 0, 0, "", ("10.9.8.7", 0)), (socket.AF_INET6, 0, 0, "", ("fd00::7", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)  # a name server that knows it
    monkeypatch.setattr("stacks.commands.init._TIMEOUT_S", 0.01)
    given = ["--endpoint", f"https://{host}:9", "--registry", "registry.acme.test", "--size", "large", *STORES["s3"]]
    assert command("init", "acme", *given)[0] == 0
    addresses = environments.load("acme", own_files_only=True).settings.network.addresses
    assert {name: sorted(map(str, each)) for name, each in addresses.items()} == ({host: ["10.9.8.7/32", "fd00::7/128"]} if named else {})


def test_every_group_says_what_it_is_for(command: Command, checkout: Path) -> None:
    command("init", "acme")
    lines = (checkout / "stacks" / "Pulumi.acme.yaml").read_text().splitlines()
    groups = [number for number, line in enumerate(lines) if line.startswith("  milvus-x10000:")]
    assert len(groups) > 5
    assert [lines[number] for number in groups if not lines[number - 1].startswith("  # ")] == []
    assert any(line.endswith("# S3 API, as pods and this machine reach it") for line in lines)


def test_what_nobody_said_is_an_example_that_is_named_with_what_to_type(command: Command) -> None:
    code, printed, _ = command("init", "acme")
    assert code == 0
    assert "still an example: milvus-x10000:object_store.endpoint" in printed
    assert "pulumi config set --path milvus-x10000:object_store.endpoint" in printed


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("lab",), "init.exists"),
        (("Acme",), "init.name"),
        (("acme", "--set", "object_store"), "init.set"),
        (("acme", "--set", "namespace.x=1"), "init.set"),
        (("acme", "--set", "milvus.memory=1"), "settings.unknown"),
        (("acme", "--endpoint", "http://s3.acme.test"), "settings.scheme"),
    ],
)
def test_what_cannot_be_right_writes_nothing(arguments: tuple[str, ...], code: str, command: Command, checkout: Path) -> None:
    before = sorted(path.name for path in checkout.rglob("*"))
    with pytest.raises(SettingsError) as refused:
        command("init", *arguments)
    assert code in {problem.code for problem in refused.value.problems}
    assert sorted(path.name for path in checkout.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "is_promised"),
    [
        (["images.milvus=registry.acme.test/milvus:v2.3.5", "milvus.wal=rocksmq", "milvus.authentication=false"], False),
        (["images.milvus=registry.acme.test/milvus:v2.5.27", "milvus.wal=rocksmq"], True),
        (["images.milvus=registry.acme.test/milvus:v2.6.21"], True),
    ],
)
def test_words_are_promised_only_of_a_milvus_that_can_search_them(
    options: list[str], is_promised: bool, command: Command, checkout: Path
) -> None:
    given = [word for option in options for word in ("--set", option)]
    code, printed, _ = command(
        "init", "acme", "--endpoint", "https://store.acme.test:9", "--registry", "r.acme.test", *STORES["s3"], *given
    )
    assert code == 0, printed
    objectives = read_profile(checkout / "validation" / "slo.acme.yaml").objectives
    assert ("hybrid_ndcg_at_10" in objectives) == is_promised == ("left out: hybrid_ndcg_at_10" not in printed)
    assert "ndcg_at_10" in objectives
