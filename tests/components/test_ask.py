"""The service of questions: what it may read, who gets a key, and that the program in it is started as the program wants it."""

import json
from typing import Any

from typer.testing import CliRunner

from components import flows
from components.ask import Ask
from components.flows import ASK
from tests.components.test_contract import ASK as ARGS
from tests.deploy import Declared, deploy
from validation.__main__ import app


def declared() -> dict[str, Declared]:
    return {item.name: item for item in deploy(lambda: Ask("ask", ARGS))}


def spec() -> Any:
    return declared()["ask-deployment"].inputs["spec"]["template"]["spec"]


def test_each_database_has_a_key_of_its_own_in_a_secret_and_in_a_folder_of_its_name() -> None:
    items = declared()
    assert {item.inputs["metadata"]["name"] for item in items.values() if item.type.endswith(":Secret")} == {
        "ask-api-key",
        "ask-sales-api-key",
    }
    keys = next(each for each in spec()["volumes"] if each["name"] == "keys")["projected"]["sources"]
    assert [(each["secret"]["name"], each["secret"]["items"][0]["path"]) for each in keys] == [
        ("ask-api-key", "default/api_key"),
        ("ask-sales-api-key", "sales/api_key"),
    ]


def test_secrets_lie_in_folders_of_their_names_and_no_token_of_the_cluster_is_there() -> None:
    secrets = next(each for each in spec()["volumes"] if each["name"] == "secrets")["projected"]["sources"]
    assert [item["path"] for item in secrets[0]["secret"]["items"]] == ["documents-s3/access_key", "documents-s3/secret_key"]
    assert spec()["automountServiceAccountToken"] is False
    assert "env" not in spec()["containers"][0]


def test_another_target_or_credential_replaces_the_pods() -> None:
    marks = declared()["ask-deployment"].inputs["spec"]["template"]["metadata"]["annotations"]
    assert marks["milvus-x10000/credential-generation"] == "g1"
    assert len(marks["milvus-x10000/target"]) == 16


def test_the_program_knows_every_argument_that_it_is_started_with() -> None:
    container = spec()["containers"][0]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/run/ask-target", "/run/ask-secrets", "/run/ask-keys"}
    result = CliRunner().invoke(app, container["args"])
    assert (result.exit_code, "cannot be read as a target" in result.output) == (2, True), "it gets as far as looking for its target"


def test_the_policies_find_its_pods() -> None:
    labels = declared()["ask-deployment"].inputs["spec"]["template"]["metadata"]["labels"]
    assert flows._selector(ASK)["matchLabels"].items() <= labels.items()


def test_the_target_is_the_text_it_is_given() -> None:
    assert json.loads(declared()["ask-target"].inputs["data"]["target.json"]) == {}
