"""Settings: what is accepted, and that each wrong one says key, value, why and an example."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from components.engines import engine
from stacks import problems
from stacks.problems import SettingsError, key_of, set_command, shown_as
from stacks.settings import Settings, parse
from stacks.settings.explain import field_at, group_of, variants
from stacks.settings.names import is_text_in_yaml
from stacks.settings.object_store import CosiSettings

DIGEST = "sha256:" + "ab" * 32
GOOD: dict[str, Any] = {
    "images": {"milvus": f"lab.local/milvus:2.6.15@{DIGEST}", "embedding": "lab.local/models:1.0", "llm": "lab.local/models:1.0"},
    "object_store": {"endpoint": "https://10.0.0.5:9000", "iam_endpoint": "https://10.0.0.5:9001", "admin_profile": "admin"},
}


def configuration(values: dict[str, Any]) -> dict[str, str]:
    """As Pulumi hands it to a program: every object a JSON text, every scalar its own text."""
    texts = {key: json.dumps(value) if isinstance(value, (dict, list)) else str(value) for key, value in values.items()}
    return {f"milvus-x10000:{key}": text for key, text in texts.items()}


def changed(key: str, value: Any) -> dict[str, str]:
    """Change one of the good settings."""
    values = json.loads(json.dumps(GOOD))
    *groups, last = key.split(".")
    place = values
    for group in groups:
        place = place.setdefault(group, {})
    place[last] = value
    return configuration(values)


def test_the_good_settings_are_enough_and_the_rest_has_defaults() -> None:
    read = parse(configuration(GOOD))
    assert (read.namespace, read.milvus_bucket, read.documents_bucket) == ("rag", "rag-milvus", "rag-documents")
    assert (read.object_store.deletes, read.milvus.wal) == (False, "woodpecker")
    assert read.milvus.resolved_chart_repository() == "https://zilliztech.github.io/milvus-helm/"


def test_a_wrong_setting_names_key_value_reason_and_what_to_type() -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed("milvus.memory_gib", "4Gi"))
    (problem,) = refused.value.problems
    assert (problem.code, problem.key, problem.value) == ("settings.number", "milvus-x10000:milvus.memory_gib", "'4Gi'")
    assert problem.cure == "pulumi config set --path milvus-x10000:milvus.memory_gib 4"
    assert "\n  wrong: " in str(refused.value)
    assert "\n  what it is for: " in str(refused.value)
    assert str(refused.value).endswith(f"\n  type: {problem.cure}")


@pytest.mark.parametrize(
    ("key", "value"),
    [("milvus.memory_gib", "8"), ("milvus.cpu_cores", "0.5"), ("milvus.authentication", "true"), ("embedding.replicas", "2")],
)
def test_numbers_and_answers_may_be_text_as_pulumi_config_set_writes_them(key: str, value: str) -> None:
    parse(changed(key, value))


@pytest.mark.parametrize("empty", [None, ""])
def test_a_group_that_may_be_missing_may_be_empty(empty: str | None) -> None:
    assert parse({**configuration(GOOD), "milvus-x10000:reranker": empty}).reranker is None


def test_a_slash_behind_an_endpoint_is_stripped() -> None:
    assert parse(changed("object_store.endpoint", "https://10.0.0.5:9000/")).object_store.endpoint == "https://10.0.0.5:9000"


@pytest.mark.parametrize(
    ("key", "guess"),
    [
        ("namespaces", "did you mean 'namespace'?"),
        ("object_store.secret_key", "known here: admin_profile, ca_file"),
        ("milvus.memory", "did you mean 'memory_gib'"),
        ("milvus.replicas", "'query_node.replicas'"),
        ("memory_gib", "'milvus.memory_gib'"),
        ("milvus.object_store", "'milvus-x10000:object_store'"),
        ("quota.cores", "did you mean 'cpu_cores'?"),
    ],
)
def test_an_unknown_setting_is_refused_with_a_guess_and_its_value_is_not_shown(key: str, guess: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed(key, "hunter2"))
    assert f"milvus-x10000:{key}\n" in str(refused.value)
    assert guess in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed("object_store.endpoint", "https://user:hunter2@10.0.0.5"))
    assert [each.code for each in refused.value.problems] == ["settings.address"]
    assert "'https://...@10.0.0.5'" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_problem_is_told_at_once() -> None:
    values = {"namespace": "off", "object_store": {"endpoint": "http://x", "typo": 1}, "milvus": {"memory_gib": 0}}
    with pytest.raises(SettingsError) as refused:
        parse(configuration(values))
    text = str(refused.value)
    assert len(refused.value.problems) == 7
    for key in ("images", "namespace", "object_store.endpoint", "object_store.iam_endpoint", "object_store.typo", "milvus.memory_gib"):
        assert f"milvus-x10000:{key}" in text


@pytest.mark.parametrize(
    ("milvus", "why"),
    [
        ({"chart": "lab/chart/none"}, "is no directory with a Chart.yaml"),
        ({"chart": "lab/chart/milvus", "chart_version": "5.0.19"}, "chart_version would be ignored"),
        (
            {"chart": "oci://registry.example.net/milvus", "chart_repository": "https://charts.example.net"},
            "chart_repository would be ignored",
        ),
    ],
)
def test_a_chart_that_cannot_be_found_as_described_is_refused(milvus: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse(configuration({**GOOD, "milvus": milvus}))


@pytest.mark.parametrize(
    ("chart", "repository", "version"),
    [
        ({"chart": "lab/chart/milvus"}, None, "0.1.0"),
        ({"chart": "oci://registry.example.net/milvus", "chart_version": "5.0.22"}, None, "5.0.22"),
        ({"chart": "milvus", "chart_repository": "https://charts.example.net"}, "https://charts.example.net", "5.0.25"),
    ],
)
def test_a_chart_is_a_directory_a_reference_or_a_name(chart: dict[str, Any], repository: str | None, version: str) -> None:
    read = parse(configuration({**GOOD, "milvus": chart})).milvus
    assert (read.resolved_chart_repository(), read.resolved_chart_version()) == (repository, version)


def test_one_bucket_for_both_is_refused_since_milvus_deletes_what_it_does_not_know() -> None:
    buckets = {"milvus_bucket": "one-for-all", "documents_bucket": "one-for-all"}
    with pytest.raises(SettingsError, match="Milvus deletes every object in its bucket"):
        parse(configuration({**GOOD, "object_store": {**GOOD["object_store"], **buckets}}))


@pytest.mark.parametrize(("current", "revoked", "why"), [(1, 1, "is in use"), (3, 0, "revoke up to 1 first")])
def test_a_rotation_that_would_cut_off_milvus_or_keep_three_keys_is_refused(current: int, revoked: int, why: str) -> None:
    numbers = {"credential_generation": current, "revoked_generation": revoked}
    with pytest.raises(SettingsError, match=why):
        parse(configuration({**GOOD, "object_store": {**GOOD["object_store"], **numbers}}))


EXISTING = {
    "driver": "existing",
    "endpoint": "https://10.0.0.5:9000",
    "secret_namespace": "storage",
    "milvus_secret": "milvus-key",
    "documents_secret": "documents-key",
}


GREENLAKE = {
    "driver": "greenlake",
    "endpoint": "https://10.0.0.5:9000",
    "api_endpoint": "https://us-west.api.greenlake.hpe.com",
    "system_id": "8UW0002928",
}


def with_store(**store: Any) -> dict[str, str]:
    return configuration({**GOOD, "object_store": store})


def test_each_driver_has_its_own_settings() -> None:
    assert parse(with_store(**EXISTING)).object_store.driver == "existing"
    assert parse(with_store(**GREENLAKE)).object_store.driver == "greenlake"
    assert parse(configuration(GOOD)).object_store.driver == "s3"


@pytest.mark.parametrize(
    ("store", "key", "why"),
    [
        (
            {**EXISTING, "iam_endpoint": "https://x"},
            "object_store.iam_endpoint",
            "one of the driver 's3', and the driver here is 'existing'",
        ),
        ({**EXISTING, "revoked_generation": 1}, "object_store.revoked_generation", "one of the driver 's3'"),
        ({**GOOD["object_store"], "milvus_secret": "key"}, "object_store.milvus_secret", "one of the driver 'existing'"),
        ({**GOOD["object_store"], "on_destory": "x"}, "object_store.on_destory", "did you mean 'on_destroy'?"),
        ({"driver": "existing"}, "object_store.milvus_secret", "is missing"),
        ({**GREENLAKE, "encryption": "AES256"}, "object_store.encryption", "one of the driver 's3', and the driver here is 'greenlake'"),
        ({**GREENLAKE, "client_secret": "hunter2"}, "object_store.client_secret", "unknown setting"),
        ({**GREENLAKE, "system_id": "../x"}, "object_store.system_id", "should match pattern"),
        ({**GREENLAKE, "api_endpoint": "http://api"}, "object_store.api_endpoint", "must begin with https://"),
        ({**GREENLAKE, "token_url": "https://me:hunter2@sso/as"}, "object_store.token_url", "a key has its own file"),
        ({**GOOD["object_store"], "compression": True}, "object_store.compression", "one of the driver 'greenlake'"),
        ({**GOOD["object_store"], "documents_lock": {"days": 0}}, "object_store.documents_lock.days", "greater than or equal to 1"),
        ({**GOOD["object_store"], "tags": {"milvus-x10000/owner": "me"}}, "object_store.tags", "is the mark of the stack itself"),
        ({**GOOD["object_store"], "tags": {"": "me"}}, "object_store.tags", "1 to 128 characters"),
    ],
)
def test_a_setting_of_another_driver_or_none_is_refused_by_name(store: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(with_store(**store))
    assert f"milvus-x10000:{key}" in str(refused.value)
    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"on_destroy": "delete"}, "names none of them"),
        ({"on_destroy": "delete", "confirm_delete": ["rag-milvus"]}, r"names \['rag-milvus'\]"),
        ({"on_destroy": "delete", "confirm_delete": ["rag-milvus", "other"]}, "If it is meant: pulumi config set"),
        ({"confirm_delete": ["rag-milvus", "rag-documents"]}, "the next change of on_destroy would count as told twice"),
    ],
)
def test_data_is_deleted_only_when_told_twice(told: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse(with_store(**GOOD["object_store"], **told))
    both = {"on_destroy": "delete", "confirm_delete": ["rag-documents", "rag-milvus"]}
    assert parse(with_store(**GOOD["object_store"], **both)).object_store.deletes


def test_where_the_buckets_are_somebody_elses_the_namespace_is_what_has_to_be_confirmed() -> None:
    with pytest.raises(SettingsError, match=r"(?s)delete the namespace 'rag' with the volumes.*confirm_delete '\[\"rag\"\]'"):
        parse(with_store(**EXISTING, on_destroy="delete", confirm_delete=["rag-documents", "rag-milvus"]))
    assert parse(with_store(**EXISTING, on_destroy="delete", confirm_delete=["rag"])).object_store.deletes
    assert not parse(with_store(**EXISTING)).object_store.deletes


def test_a_namespace_too_long_for_the_buckets_that_it_names_is_refused() -> None:
    with pytest.raises(SettingsError, match="no safe bucket name"):
        parse(configuration({**GOOD, "namespace": "a" * 60}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no certificate\n", "holds no certificate"),
        ("-----BEGIN PRIVATE KEY-----\n", "would be published in a ConfigMap"),
    ],
)
def test_a_file_that_is_no_ca_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "ca.crt").write_text(text)
    with pytest.raises(SettingsError, match=why):
        parse(changed("object_store.ca_file", str(tmp_path / "ca.crt")))


def test_configuration_of_other_projects_is_none_of_our_business() -> None:
    parse({**configuration(GOOD), "kubernetes:context": "lab", "pulumi:tags": "{}"})


def groups(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of every setting."""
    for name in model.model_fields:
        yield (*path, name)
        inner = group_of(model.model_fields[name])
        if inner is not None:
            yield from groups(inner, (*path, name))


@pytest.mark.parametrize("path", [pytest.param(path, id=".".join(path)) for path in groups()])
def test_every_setting_says_what_it_is_for_and_gives_an_example(path: tuple[str, ...]) -> None:
    field = field_at(Settings, path)
    assert field is not None
    assert field.description
    assert field.examples


def as_pulumi_stores(typed: str) -> Any:
    """What `pulumi config set --path` makes of an argument below the top level: true, false, whole numbers, else text."""
    (text,) = shlex.split(typed)
    return text == "true" if text in {"true", "false"} else int(text) if re.fullmatch(r"-?([1-9]\d*|0)", text) else text


def models(model: type[BaseModel] = Settings) -> Iterator[type[BaseModel]]:
    """Every group of settings, and each driver's."""
    yield model
    for field in model.model_fields.values():
        if group_of(field) is not None:
            for inner in variants(field).values() or (group_of(field),):
                assert inner is not None
                yield from models(inner)


NEVER_SET = {(CosiSettings, "milvus_bucket"), (CosiSettings, "documents_bucket")}
"""COSI names every bucket itself; the cure is to remove the name."""


@pytest.mark.parametrize(
    ("model", "name"), sorted({(model, name) for model in models() for name in model.model_fields} - NEVER_SET, key=str)
)
def test_every_example_is_accepted_as_pulumi_stores_what_was_typed(model: type[BaseModel], name: str) -> None:
    for example in model.model_fields[name].examples or []:
        try:
            model.model_validate({name: as_pulumi_stores(str(example))})
        except ValidationError as error:
            mine = [each for each in error.errors() if each["loc"][:1] == (name,)]
            assert [each for each in mine if getattr(each.get("ctx", {}).get("error"), "code", "") != "settings.file"] == []


def cure_of(configuration: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        parse(configuration)
    (problem,) = refused.value.problems
    return problem.cure


@pytest.mark.parametrize(
    ("key", "value", "cure"),
    [
        ("monitoring", {"labels": {"release": "x"}}, "pulumi config rm --path milvus-x10000:monitoring.labels"),
        ("residency", {"allowed": ["10.0.0.0/8"]}, "pulumi config rm --path milvus-x10000:residency.allowed"),
        ("keda", {"prometheus_url": "http://prometheus.monitoring.svc:9090"}, "pulumi config rm --path milvus-x10000:keda"),
        (
            "milvus.etcd_cluster",
            {"login_secret": "a", "certificate_secret": "b"},
            (
                "pulumi config rm --path milvus-x10000:milvus.etcd_cluster.login_secret; "
                "pulumi config rm --path milvus-x10000:milvus.etcd_cluster.certificate_secret"
            ),
        ),
        (
            "embedding",
            {"replicas": 1, "scaling": {"most": 4, "cpu_percent": 70}},
            "pulumi config rm --path milvus-x10000:embedding.replicas",
        ),
        ("llm.context_tokens", 1024, "pulumi config set --path milvus-x10000:llm.context_tokens VALUE"),
        ("images.embedding", None, "pulumi config set --path milvus-x10000:images.embedding VALUE"),
        (
            "network.addresses",
            {"x10000.corp.net": "no list"},
            'pulumi config set --path milvus-x10000:network.addresses \'{"x10000.example.net": ["10.1.2.0/28"]}\'',
        ),
    ],
)
def test_the_cure_of_a_conflict_is_to_remove_what_has_no_effect_and_never_an_example_that_fits_no_better(
    key: str, value: Any, cure: str
) -> None:
    assert cure_of(changed(key, value)) == cure


@pytest.mark.parametrize(
    ("driver", "missing"),
    [("existing", "secret_namespace"), ("greenlake", "api_endpoint"), ("cosi", "backend_secret"), ("s3", "iam_endpoint")],
)
def test_the_cure_of_a_missing_setting_of_a_driver_sets_that_one_and_keeps_the_group(driver: str, missing: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configuration({**GOOD, "object_store": {"driver": driver, "endpoint": "https://10.0.0.5:9000"}}))
    cures = {problem.path: problem.cure for problem in refused.value.problems}
    assert cures["object_store", missing].startswith(f"pulumi config set --path milvus-x10000:object_store.{missing} ")


def test_a_bucket_that_cosi_would_name_itself_is_to_be_removed() -> None:
    store = {
        "driver": "cosi",
        "endpoint": "https://10.0.0.5:9000",
        "backend_secret": "backend",
        "backend_namespace": "cosi",
        "milvus_bucket": "mine",
    }
    assert cure_of(configuration({**GOOD, "object_store": store})) == "pulumi config rm --path milvus-x10000:object_store.milvus_bucket"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("network", "addresses", "x10000.corp.net", "0"), 'milvus-x10000:network.addresses["x10000.corp.net"][0]'),
        (("pods", "labels", "cost-centre"), "milvus-x10000:pods.labels.cost-centre"),
        (("pods", "labels", "corp.net/team"), 'milvus-x10000:pods.labels["corp.net/team"]'),
    ],
)
def test_a_name_with_a_dot_is_one_part_of_a_key(path: tuple[str, ...], key: str) -> None:
    assert key_of(path) == key
    assert shlex.split(set_command(path, "x")) == ["pulumi", "config", "set", "--path", key, "x"]


@pytest.mark.parametrize("text", ["https://me:p@ss@corp.net/x", "https://me:p/w@corp.net", "me:p@ss@corp.net"])
def test_no_part_of_a_password_is_shown(text: str) -> None:
    assert shown_as(text).rpartition("...@")[2].startswith("corp.net")
    assert "p@" not in shown_as(text)
    assert "me" not in shown_as(text)


def test_a_digest_is_no_password() -> None:
    assert shown_as(f"milvus:2.6@{DIGEST}") == f"'milvus:2.6@{DIGEST}'"


def test_a_text_that_begins_like_a_list_stays_text_where_text_is_meant() -> None:
    assert parse(changed("embedding.query_prefix", "[x] ")).embedding.query_prefix == "[x] "


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True))
def test_a_name_that_is_accepted_comes_back_from_yaml_as_it_went_in(name: str) -> None:
    if is_text_in_yaml(name):
        assert yaml.safe_load(f"key: {name}") == {"key": name}


@pytest.mark.parametrize("name", ["rag", "rag-1", "e2e", "1a", "prod-2026", "infra", "n1", "dead-beef"])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    assert is_text_in_yaml(name)


@pytest.mark.parametrize(
    "name", ["off", "on", "yes", "no", "true", "null", "y", "n", "1", "007", "1e3", "12e4", "0x1f", "0o17", "2026-01-01", "nan"]
)
def test_a_name_that_yaml_reads_as_something_else_is_refused(name: str) -> None:
    assert not is_text_in_yaml(name)


def test_every_reason_of_the_table_is_given_by_a_check_of_its_name() -> None:
    folder = Path(problems.__file__).parent
    sources = "".join(path.read_text() for path in folder.rglob("*.py"))
    used = set(re.findall(r'(?:\b(?:refused|problem|text_of|reason|failure)\(|(?:_matching|unless)\(.*?, )"(\w+)"', sources))
    used |= set(re.findall(r'"(file_date|file_number)"', sources))  # one call for both
    assert used == yaml.safe_load((folder / "problems.yaml").read_text()).keys()
    assert [row for row in yaml.safe_load((folder / "lines.yaml").read_text()) if f'"{row}"' not in sources] == []
    sources += "".join(path.read_text() for path in Path(engine.__file__).parent.glob("*.py"))
    used = set(re.findall(r'\bmodel_problem\("(\w+)"', sources))
    assert used == yaml.safe_load(Path(engine.__file__).with_name("problems.yaml").read_text()).keys()


BACKUP = {"endpoint": "https://backup.example.net", "bucket": "copies", "secret": "backup-key"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schedule": "every night"}, "schedule"),
        ({"schedule": "17 1 * *"}, "schedule"),
        ({"endpoint": "http://backup.example.net"}, "clear text"),
        ({"endpoint": GOOD["object_store"]["endpoint"], "bucket": "rag-milvus"}, "is the stack's own"),
        ({"keep": -1}, "keep"),
    ],
)
def test_a_backup_that_would_not_run_or_protect_nothing_is_refused(changes: dict[str, Any], why: str) -> None:
    assert parse(configuration({**GOOD, "images": {**GOOD["images"], "suite": "registry.example.net/suite:1"}, "backup": BACKUP})).backup
    with pytest.raises(SettingsError, match=why):
        parse(
            configuration({**GOOD, "images": {**GOOD["images"], "suite": "registry.example.net/suite:1"}, "backup": {**BACKUP, **changes}})
        )


def test_a_gate_or_a_preflight_on_a_schedule_without_an_image_to_run_in_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"gate would be ignored: it runs in images\.suite"):
        parse(configuration({**GOOD, "gate": {"slo_of": "prod"}}))
    with pytest.raises(SettingsError, match=r"preflight\.schedule would be ignored: it runs in images\.suite"):
        parse(configuration({**GOOD, "preflight": {"schedule": "41 * * * *"}}))


def test_a_backup_without_an_image_to_run_in_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"backup would be ignored: it runs in images\.suite"):
        parse(configuration({**GOOD, "backup": BACKUP}))
