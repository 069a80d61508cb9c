"""An environment is never brought into another cluster than its own, whichever tool asks."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.config.config_exception import ConfigException

from components import kube_api
from stacks import environments
from stacks.operations import cluster
from stacks.problems import SettingsError
from stacks.settings import Settings, plain


def kubeconfigs(folder: Path, *currents: str, contexts: Sequence[str] = ("prod", "lab")) -> str:
    """Return a KUBECONFIG of files, each with its own contexts and a current one; "" for none."""
    paths = []
    for number, current in enumerate(currents):
        names = [f"{name}-{number}" for name in contexts]
        whole = {
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in names],
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}.test"}} for name in names],
            "users": [{"name": "me", "user": {}}],
            **({"current-context": current} if current else {}),
        }
        paths.append(folder / f"kubeconfig-{number}")
        paths[-1].write_text(json.dumps(whole))
    return ":".join(map(str, paths))


@pytest.fixture
def settings() -> Settings:
    """Settings of an environment that has a context of its own."""
    whole = environments.load("lab", own_files_only=True).settings
    return whole.model_copy(update={"cluster": whole.cluster.model_copy(update={"context": "prod-0"})})


@pytest.mark.parametrize(
    ("currents", "context"),
    [(("prod-0",), "prod-0"), (("prod-0", "lab-1"), "prod-0"), (("", "lab-1"), "lab-1")],
)
def test_the_current_context_is_that_of_the_first_file_that_has_one_as_for_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, currents: tuple[str, ...], context: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfigs(tmp_path, *currents))
    assert kube_api.current() == kube_api.Cluster(context=context, server=f"https://{context}.test")
    kube_api.load()
    assert client.ApiClient().configuration.host == f"https://{context}.test"


@pytest.mark.parametrize("content", [None, "", "[]", "a: [", "contexts: 1\ncurrent-context: x", "current-context: gone"])
def test_what_is_no_kubeconfig_names_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "kubeconfig").write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with pytest.raises(ConfigException):
        kube_api.current()
    with pytest.raises(SettingsError) as refused:
        cluster.require(settings, "t")
    assert refused.value.code == "cluster.kubeconfig"


def test_another_context_than_the_environments_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfigs(tmp_path, "lab-0"))
    with pytest.raises(SettingsError) as refused:
        cluster.show(settings, "t")
    assert refused.value.code == "cluster.context"
    assert "kubectl config use-context prod-0" in str(refused.value)


def test_the_cluster_is_shown_on_standard_error_with_the_way_to_pin_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfigs(tmp_path, "prod-0"))
    cluster.show(settings, "t")
    cluster.show(settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"context": None})}), "t")
    output = capsys.readouterr()
    pinned, free = output.err.splitlines()
    assert (output.out, "https://prod-0.test" in pinned, "config set" in pinned) == ("", True, False)
    assert "milvus-x10000:cluster.context prod-0" in free


@pytest.mark.parametrize(
    ("context", "kubeconfig", "refused"),
    [(None, None, False), ("prod-0", None, False), ("lab-0", None, True), (None, "~/.kube/other", True), ("prod-0", "~/.kube/other", True)],
)
def test_options_that_send_pulumis_provider_elsewhere_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, context: str | None, kubeconfig: str | None, *, refused: bool
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfigs(tmp_path, "prod-0"))
    if not refused:
        cluster.require_same_provider(settings, "t", context, kubeconfig)
        return
    with pytest.raises(SettingsError) as error:
        cluster.require_same_provider(settings, "t", context, kubeconfig)
    assert error.value.code == "cluster.provider"


@pytest.mark.parametrize(
    ("managers", "may_take_over", "refused"),
    [
        (["kubectl"], False, True),
        ([], False, True),
        (["kubectl"], True, False),
        (["kubectl", "pulumi-kubernetes-1a2b3c4d"], False, False),
        (None, False, False),
    ],
    ids=["of kubectl", "of nobody", "meant", "ours", "not there"],
)
def test_a_namespace_that_pulumi_did_not_make_is_not_taken_over_unless_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, managers: list[str] | None, *, may_take_over: bool, refused: bool
) -> None:
    def answer(*_: object) -> bytes:
        if managers is None:
            raise client.ApiException(status=404)
        return json.dumps({"metadata": {"managedFields": [{"manager": manager} for manager in managers]}}).encode()

    monkeypatch.setenv("KUBECONFIG", kubeconfigs(tmp_path, "prod-0"))
    monkeypatch.setattr(kube_api, "answer", answer)
    if not refused:
        cluster.require_own_namespace(settings, "t", may_take_over=may_take_over)
        return
    with pytest.raises(SettingsError) as error:
        cluster.require_own_namespace(settings, "t", may_take_over=may_take_over)
    assert error.value.code == "cluster.namespace"
    assert "kubernetes:upsertExistingObjects true --stack t" in str(error.value)


@pytest.mark.parametrize("key", ["kubernetes:cluster", "kubernetes:namespace"])
def test_an_option_of_pulumis_provider_that_no_other_tool_follows_is_to_be_removed(key: str) -> None:
    (problem,) = plain({key: "other", "kubernetes:context": "lab"})[1]
    assert (problem.code, problem.path, problem.cure) == ("settings.prefix", (key,), f"pulumi config rm {key}")
