"""What the gate makes its load generators from."""

from dataclasses import replace
from typing import Any

from components import flows
from components.flows import SUITE
from components.load_generators import LoadGenerators, LoadGeneratorsArgs
from components.pods import Resources
from tests.deploy import deploy
from validation.load.pods import generator
from validation.load.pods.job import CONTAINER

ARGS = LoadGeneratorsArgs(
    namespace="rag",
    account="suite",
    image="suite@sha256:1",
    resources=Resources(cpu_cores=1, memory_gib=1),
    store_ca_config_map="object-store-ca",
    milvus_ca_config_map="milvus-ca",
    login_secret="milvus-search",
)


def template_of(args: LoadGeneratorsArgs) -> Any:
    found = {item.name: item for item in deploy(lambda: LoadGenerators("load-generators", args))}
    return found["load-generators-template"].inputs["template"]


def test_the_pods_are_part_of_the_suite_which_may_reach_milvus_and_the_store() -> None:
    labels = template_of(ARGS)["metadata"]["labels"]
    assert SUITE.labels.items() <= labels.items()
    assert flows._selector(SUITE)["matchLabels"].items() <= labels.items()


def test_they_have_no_token_no_key_of_the_store_and_only_the_password_of_the_user_that_searches() -> None:
    spec = template_of(ARGS)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert [each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each] == ["load-generator-orders", "milvus-search"]
    assert "env" not in spec["containers"][0]


def test_what_is_mounted_is_where_the_generator_looks_for_it() -> None:
    mounts = {each["name"]: each["mountPath"] for each in template_of(ARGS)["spec"]["containers"][0]["volumeMounts"]}
    assert f"{mounts['object-store-ca']}/ca.crt" == str(generator.STORE_CA)
    assert f"{mounts['milvus-ca']}/ca.crt" == str(generator.MILVUS_CA)
    assert mounts["milvus-login"] == str(generator.LOGIN)
    container = template_of(ARGS)["spec"]["containers"][0]
    assert (container["name"], container["args"]) == (CONTAINER, ["pod", mounts["orders"]])


def test_what_the_stack_has_not_is_not_mounted() -> None:
    bare = replace(ARGS, store_ca_config_map=None, milvus_ca_config_map=None, login_secret=None)
    assert [each["name"] for each in template_of(bare)["spec"]["volumes"]] == ["tmp", "orders"]
