"""`./rag render`: every object as one file, the same in every run, without a secret; the chart's objects where the chart is at hand."""

import filecmp
import functools
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.versions import KUBERNETES_VERSION
from stacks import rendering
from stacks.commands import objects
from stacks.environments import Environment
from stacks.images import chart
from stacks.images.chart import Release
from stacks.problems import SettingsError
from stacks.rendering import Object
from tests.stacks.commands.conftest import run

Command = Callable[..., tuple[int, str, str]]
LAB_CHART = Release(name="milvus", namespace="rag", chart="lab/chart/milvus", version="0.1.0", repository=None, values={})
OFFICIAL = Release(
    name="milvus", namespace="rag", chart="milvus", version="0.0.1", repository="https://charts.example.net/milvus", values={}
)


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder with an environment as it is rendered, once for all that only look at it."""

    @functools.cache
    def folder(name: str) -> Path:
        out = tmp_path_factory.mktemp(name) / "out"
        assert run("render", name, "--out", str(out))[0] == 0
        return out

    return folder


def test_two_runs_write_the_same_bytes(environment: Environment, command: Command, rendered: Callable[[str], Path], tmp_path: Path) -> None:
    first, second = rendered(environment.name), tmp_path / "second"
    assert command("render", environment.name, "--out", str(second))[0] == 0
    written = files(first)
    assert files(second) == written
    same, different, unreadable = filecmp.cmpfiles(first, second, list(map(str, written)), shallow=False)
    assert (len(same), different, unreadable) == (len(written), [], [])


def test_every_object_of_the_cluster_says_what_it_is_and_stands_alone_in_its_file(
    environment: Environment, rendered: Callable[[str], Path]
) -> None:
    objects_of_it = list((rendered(environment.name) / "stack").iterdir())
    for path in objects_of_it:
        (manifest,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if "apiVersion" in manifest:
            assert manifest["metadata"]["name"]
    kinds = {path.name.partition(".")[0] for path in objects_of_it}
    assert {"namespace", "networkpolicy", "secret", "bucket", "release", "deployment"} <= kinds


def test_a_secret_is_a_placeholder(environment: Environment, rendered: Callable[[str], Path]) -> None:
    found = list((rendered(environment.name) / "stack").glob("secret.*"))
    assert len(found) >= 2
    for path in found:
        assert set(re.findall(r"<[^>]+>", path.read_text(encoding="utf-8"))) == {"<secret>"}


def test_what_was_rendered_before_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    one, other = (_object(name) for name in ("one", "other"))
    objects.write([one], tmp_path / "out")
    objects.write([other], tmp_path / "out")
    assert files(tmp_path / "out") == [Path(".rendered"), Path("stack/configmap.rag.other.yaml")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(SettingsError, match="choose another folder with --out"):
        objects.write([one], tmp_path / "mine")


def test_two_objects_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"two objects are called stack/configmap\.rag\.one"):
        objects.write([_object("one"), _object("one")], tmp_path / "out")


def test_a_changed_protection_is_a_changed_file() -> None:
    assert "protected" in _object("one", protect=True).text
    assert "protected" not in _object("one").text


def test_a_chart_is_at_hand_in_its_folder_or_as_a_downloaded_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chart.at_hand(LAB_CHART) == Path("lab/chart/milvus")
    monkeypatch.chdir(tmp_path)
    assert chart.at_hand(OFFICIAL) is None
    chart.CHARTS.mkdir(parents=True)
    (chart.CHARTS / "milvus-0.0.1.tgz").touch()
    assert chart.at_hand(OFFICIAL) == chart.CHARTS / "milvus-0.0.1.tgz"


def test_a_chart_that_is_not_at_hand_is_named_with_the_command_that_gets_it() -> None:
    notes: list[str] = []
    assert list(rendering._from_chart(OFFICIAL, notes)) == []
    assert "helm pull --repo https://charts.example.net/milvus milvus --version 0.0.1 --destination build/charts" in notes[0]


@pytest.mark.e2e
def test_the_labs_chart_is_rendered_by_helm(command: Command, tmp_path: Path) -> None:
    code, _, said = command("render", "lab", "--out", str(tmp_path / "out"))
    assert (code, "not among them" in said) == (0, False)
    assert {"deployment.milvus-standalone", "service.milvus", "configmap.milvus"} <= {
        path.name[: -len(".yaml")] for path in (tmp_path / "out" / "chart").iterdir()
    }


@pytest.mark.e2e
def test_values_that_the_chart_refuses_are_said_with_helms_own_words() -> None:
    refused = Release(
        name="milvus", namespace="rag", chart="lab/chart/milvus", version="0.1.0", repository=None, values={"cluster": {"enabled": True}}
    )
    with pytest.raises(SettingsError, match="standalone only"):
        chart.template(refused, Path("lab/chart/milvus"))


def _object(name: str, *, protect: bool = False) -> Object:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "rag"}}
    return Object(origin="stack", type="kubernetes:core/v1:ConfigMap", logical_name=name, manifest=manifest, protect=protect)


def written(folder: Path, name: str, values: str) -> Path:
    """Write a chart with one template, which says for which Kubernetes it is rendered."""
    (folder / name / "templates").mkdir(parents=True)
    (folder / name / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 5.0.19\n", encoding="utf-8")
    (folder / name / "values.yaml").write_text(values, encoding="utf-8")
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {version: {{ .Capabilities.KubeVersion.Version | quote }}}\n"
    (folder / name / "templates" / "c.yaml").write_text(template, encoding="utf-8")
    return folder / name


def packed(folder: Path) -> Path:
    with tarfile.open(folder.with_suffix(".tgz"), "w:gz") as archive:
        archive.add(folder, folder.name)
    return folder.with_suffix(".tgz")


@pytest.mark.e2e
@pytest.mark.parametrize("whole", [lambda path: path, packed], ids=["folder", "archive"])
def test_a_key_that_the_chart_would_drop_in_silence_is_refused_also_one_of_a_subchart(
    tmp_path: Path, whole: Callable[[Path], Path]
) -> None:
    parent = written(tmp_path, "milvus", "etcd: {enabled: true}\nproxy: {resources: {}}\n")
    written(parent / "charts", "etcd", "replicaCount: 1\n")
    made = whole(parent)
    chart.refuse_unknown_keys({"proxy": {"resources": {"limits": {}}}, "etcd": {"replicaCount": 3}, "kafka": {"enabled": False}}, made)
    with pytest.raises(SettingsError, match=r"does not know etcd\.members, proxy\.replica, streaming,"):
        chart.refuse_unknown_keys({"proxy": {"replica": 2}, "etcd": {"members": 3}, "streaming": {"enabled": True}}, made)


@pytest.mark.e2e
def test_a_chart_is_rendered_for_the_same_kubernetes_whatever_helm_was_built_for(tmp_path: Path) -> None:
    made = written(tmp_path, "milvus", "")
    (manifest,) = chart.template(replace(LAB_CHART, chart=str(made)), made)
    assert manifest["data"] == {"version": f"v{KUBERNETES_VERSION}"}


def test_an_archive_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "milvus.tgz").write_bytes(b"half of it")
    with pytest.raises(SettingsError, match="is no packed chart"):
        chart.refuse_unknown_keys({}, tmp_path / "milvus.tgz")
