"""What an operator adds to the chart and to milvus.yaml: passed through, and refused where it would undo a promise or hold a key."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from components.milvus_values import problems, values
from components.milvus_values.shape import MilvusShape
from tests.components.test_contract import DATA, SHAPE


def with_extra(*, values: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> MilvusShape:
    return replace(SHAPE, extra_values=values or {}, extra_config=config or {})


def test_what_is_added_stands_beside_what_the_blueprint_sets() -> None:
    shape = with_extra(
        values={"standalone": {"affinity": {"nodeAffinity": {}}}, "log": {"level": "debug"}},
        config={"etcd": {"requestTimeout": 20000}, "quotaAndLimits": {"flushRate": {"collection": {"max": 1}}}},
    )
    assert problems(shape, DATA) == []
    built = values(shape, DATA)
    assert built["standalone"]["affinity"] == {"nodeAffinity": {}}
    assert built["standalone"]["messageQueue"] == "rocksmq"
    user = yaml.safe_load(built["extraConfigFiles"]["user.yaml"])
    assert user["etcd"] == {"use": {"embed": True}, "data": {"dir": "/var/lib/milvus/etcd"}, "requestTimeout": 20000}
    assert user["quotaAndLimits"] == {"flushRate": {"collection": {"max": 1}}}


@pytest.mark.parametrize(
    "added",
    [
        {"analyzer": {"maxTokenLength": "40"}},
        {"tei": {"tokenizer": {"maxTokens": "512"}}},
        {"tei": {"extraEnv": [{"name": "AWS_TOKEN_FILE", "value": "/var/run/token"}]}},
        {"attu": {"existingSecret": "attu", "existingSecretPasswordKey": "word"}},
        {"attu": {"passwordSecretName": "attu", "tokenFile": "/run/token"}},
    ],
)
def test_a_key_that_only_sounds_like_a_secret_or_names_the_place_of_one_is_passed_through(added: dict[str, Any]) -> None:
    assert problems(with_extra(values=added), DATA) == []


@pytest.mark.parametrize(
    ("added", "path"),
    [
        ({"attu": {"tokenSecret": "hunter2"}}, "attu.tokenSecret"),
        ({"attu": {"token": "hunter2"}}, "attu.token"),
        ({"standalone": {"messageQueue": "natsmq"}}, "standalone.messageQueue"),
        ({"standalone": {"extraEnv": []}}, "standalone.extraEnv"),
        ({"externalS3": {"useSSL": False}}, "externalS3.useSSL"),
        ({"externalS3": "none"}, "externalS3"),
        ({"minio": {"enabled": True}}, "minio.enabled"),
        ({"securityContext": {"runAsUser": 0}}, "securityContext"),
        ({"standalone": {"containerSecurityContext": {"privileged": True}}}, "standalone.containerSecurityContext"),
        ({"extraConfigFiles": {"user.yaml": ""}}, "extraConfigFiles.user.yaml"),
        ({"volumes": []}, "volumes"),
        ({"customConfigMap": "mine"}, "customConfigMap"),
        ({"attu": {"password": "hunter2"}}, "attu.password"),
        ({"heaptrack": {"env": [{"name": "API_TOKEN", "value": "hunter2"}]}}, "heaptrack.env.0.API_TOKEN"),
    ],
)
def test_values_that_override_or_hold_a_key_are_refused_by_path_and_no_key_is_shown(added: dict[str, Any], path: str) -> None:
    wrong = "\n".join(problems(with_extra(values=added), DATA))
    assert f"extra_values.{path} " in wrong
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    ("added", "path"),
    [
        ({"minio": {"address": "elsewhere"}}, "minio.address"),
        ({"Minio": {"Address": "elsewhere"}}, "Minio.Address"),
        ({"minio.address": "elsewhere"}, "minio.address"),
        ({"common": {"security": {"authorizationEnabled": False}}}, "common.security.authorizationEnabled"),
        ({"common_security_authorizationEnabled": False}, "common_security_authorizationEnabled"),
        ({"etcd": {"use": {"embed": False}}}, "etcd.use.embed"),
        ({"mq": {"type": "natsmq"}}, "mq.type"),
        ({"credential": {"tei": {"apikey": "hunter2"}}}, "credential.tei.apikey"),
    ],
)
def test_configuration_that_overrides_or_holds_a_key_is_refused_however_it_is_spelt(added: dict[str, Any], path: str) -> None:
    wrong = "\n".join(problems(with_extra(config=added), DATA))
    assert f"extra_config.{path} " in wrong
    assert "hunter2" not in wrong
