"""The whole declaration on a real cluster and store, in a stack of its own, with just the rights of docs/rbac.yaml."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import grpc
import pytest
import yaml
from botocore.exceptions import ClientError
from pymilvus import MilvusClient, MilvusException  # type: ignore[import-untyped]  # pymilvus has no types

from lab import project
from lab.daemons import administrator
from lab.errors import LabError
from lab.places import PKI, REPOSITORY, network
from tests.e2e import operator_account
from tests.e2e.lab import Ended, Lab

pytestmark = pytest.mark.e2e

STACK = "e2e"
NEIGHBOURS = ("minio", "proxy")
"""Services that are in the namespace first: Kubernetes writes their addresses into variables of every pod, and Milvus reads some."""
ACCEPTED = {"accept_authentication_bypass": "the lab's Milvus 2.3.5 has both known ones, and nobody but these tests reaches it"}


@dataclass(frozen=True)
class Stack:
    """A stack of these tests alone."""

    lab: Lab
    account: Path
    """Kubeconfig of the operator's account."""
    chart: Path
    """Folder with its own copy of the lab's chart."""
    refused: Ended | None
    """A preview that was not told that the namespace, which is there before the account that may use it, is meant; of a proof alone."""
    preview: Ended | None
    """Before anything but the namespace was there; of a proof alone."""
    up: Ended

    @property
    def own(self) -> dict[str, str]:
        """What differs from the lab's shell."""
        chosen = {"PULUMI_OPTION_CONFIG_FILE": str(project.config_file(STACK)), "PULUMI_STACK": STACK}
        return {**chosen, "KUBECONFIG": str(self.account)}

    def environment(self) -> dict[str, str]:
        return {**self.lab.environment(), **self.own}

    def pulumi(self, *arguments: str, **more: str) -> Ended:
        return self.lab.run("pulumi", *arguments, "--stack", STACK, environment={**self.own, **more})

    def must(self, *arguments: str) -> None:
        ended = self.pulumi(*arguments, "--non-interactive")
        assert ended.code == 0, ended.output

    def configure(self, key: str, value: str) -> None:
        self.must("config", "set", "--path", f"{project.PROJECT}:{key}", value)

    def release_is(self, status: str) -> bool:
        """Whether the newest record of the Helm release has that status."""
        records = self.lab.kubectl("-n", "rag-e2e", "get", "secrets", "-l", "owner=helm")["items"]
        newest = max(records, key=lambda record: int(record["metadata"]["labels"]["version"]))
        return bool(newest["metadata"]["labels"]["status"] == status)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").output)
        return found

    def milvus(self, secret_name: str, database: str = "default") -> Any:
        """Return a client of its Milvus, as the user of a Secret."""
        address = self.lab.kubectl("-n", "rag-e2e", "get", "service", "milvus")["spec"]["clusterIP"]
        secret = self.lab.kubectl("-n", "rag-e2e", "get", "secret", secret_name)["data"]
        user, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
        return MilvusClient(uri=f"http://{address}:19530", user=user, password=password, db_name=database, timeout=30)

    def client(self, secret_name: str) -> Any:
        """Return a boto3 client with the credential that the stack made."""
        secret = self.lab.kubectl("-n", self.outputs()["namespace"], "get", "secret", secret_name)["data"]
        return client(*(base64.b64decode(secret[name]).decode() for name in ("access_key", "secret_key")))


def client(access_key: str, secret_key: str) -> Any:
    """Return a boto3 client of the lab's store."""
    return boto3.client(
        "s3",
        endpoint_url=network().s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        verify=str(PKI / "store-ca.crt"),
    )


@pytest.fixture(scope="module")
def stack(lab: Lab, proof: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Bring up the stack `e2e` with the lab's images and store; destroy it afterwards."""
    facts = yaml.safe_load(project.config_file(project.STACK).read_text())["config"]
    facts[f"{project.PROJECT}:namespace"] = "rag-e2e"
    chart = shutil.copytree(REPOSITORY / "lab" / "chart" / "milvus", tmp_path_factory.mktemp("chart") / "milvus")
    facts[f"{project.PROJECT}:milvus"] = {**facts[f"{project.PROJECT}:milvus"], "chart": str(chart), "authentication": True, **ACCEPTED}
    facts[f"{project.PROJECT}:access"] = {"tenants": ["red"]}
    project.configure(STACK, facts)
    project.select(STACK)
    account = operator_account.kubeconfig(lab, "rag-e2e", tmp_path_factory.mktemp("account"))
    for name in NEIGHBOURS:
        lab.run("kubectl", "-n", "rag-e2e", "create", "service", "clusterip", name, "--tcp=80")
    chosen = {"KUBECONFIG": str(account)}
    refused = lab.pulumi(STACK, "preview", "--non-interactive", environment=chosen) if proof else None
    lab.pulumi(STACK, "config", "set", "kubernetes:upsertExistingObjects", "true")
    preview = lab.pulumi(STACK, "preview", "--non-interactive", environment=chosen) if proof else None
    up = lab.pulumi(STACK, "up", "--yes", "--skip-preview", "--non-interactive", environment=chosen)
    found = Stack(lab, account, chart, refused, preview, up)
    try:
        yield found
    finally:
        destroyed = found.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
        left = lab.run("kubectl", "get", "namespace", "rag-e2e").code
        operator_account.remove(lab, "rag-e2e")
        assert destroyed.code == 0, destroyed.output
        assert left != 0, "destroy ended, and the namespace is still there"
        lab.pulumi(STACK, "stack", "rm", "--yes")


@pytest.mark.proof
def test_a_namespace_that_somebody_else_made_is_not_taken_over_unless_that_is_meant(stack: Stack) -> None:
    assert stack.refused is not None
    assert stack.refused.code != 0
    assert "kubernetes:upsertExistingObjects true --stack e2e" in stack.refused.output, stack.refused.output


@pytest.mark.proof
def test_a_preview_before_the_first_up_shows_everything_and_makes_nothing(stack: Stack) -> None:
    assert stack.preview is not None
    assert stack.preview.code == 0, stack.preview.output
    assert re.search(r"\d+ to create", stack.preview.output), stack.preview.output
    assert "unchanged" not in stack.preview.output


def test_one_up_declares_everything(stack: Stack) -> None:
    assert stack.up.code == 0, stack.up.output
    outputs = stack.outputs()
    assert (outputs["namespace"], outputs["milvus_bucket"], outputs["documents_bucket"]) == (
        "rag-e2e",
        "rag-e2e-milvus",
        "rag-e2e-documents",
    )
    assert all("@sha256:" in image for image in outputs["images"].values())


def test_services_of_others_in_the_namespace_change_no_port_of_milvus(stack: Stack) -> None:
    seen = stack.lab.run("kubectl", "-n", "rag-e2e", "exec", "deployment/milvus-standalone", "--", "env").output
    assert [name for name in NEIGHBOURS if f"{name.upper()}_SERVICE_HOST=" not in seen] == []
    with closing(stack.milvus("milvus-admin")) as milvus:
        assert milvus.list_collections() == []


def test_the_service_of_milvus_has_the_port_of_clients_alone(stack: Stack) -> None:
    service = stack.lab.kubectl("-n", "rag-e2e", "get", "service", "milvus")
    assert [port["port"] for port in service["spec"]["ports"]] == [19530]


def test_a_second_up_shows_no_change(stack: Stack) -> None:
    stack.must("up", "--yes", "--skip-preview", "--expect-no-changes")


@pytest.mark.proof
def test_a_preview_and_a_refresh_show_no_change(stack: Stack) -> None:
    for arguments in (("preview",), ("refresh", "--yes", "--skip-preview")):
        stack.must(*arguments, "--expect-no-changes")


@pytest.mark.proof
def test_what_was_changed_by_hand_is_found_by_refresh_and_taken_back_by_up_when_it_is_told_to(stack: Stack) -> None:
    stack.lab.run("kubectl", "-n", "rag-e2e", "scale", "deployment", "embedding", "--replicas=2")
    drift = stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--non-interactive")
    assert drift.code != 0
    assert "embedding" in drift.output
    refused = stack.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert (refused.code != 0, 'conflict with "kubectl"' in refused.output) == (True, True), refused.output
    taken_back = stack.pulumi("up", "--yes", "--skip-preview", "--non-interactive", PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert taken_back.code == 0, taken_back.output
    assert stack.lab.kubectl("-n", "rag-e2e", "get", "deployment", "embedding")["spec"]["replicas"] == 1
    stack.must("preview", "--expect-no-changes")


@pytest.mark.proof
def test_an_object_that_was_deleted_by_hand_is_made_again_after_a_refresh(stack: Stack) -> None:
    name = "object-store-ca"
    assert stack.lab.run("kubectl", "-n", "rag-e2e", "delete", "configmap", name).code == 0
    stack.must("refresh", "--yes", "--skip-preview")
    stack.must("up", "--yes", "--skip-preview")
    assert stack.lab.kubectl("-n", "rag-e2e", "get", "configmap", name)["data"]


def test_milvus_may_touch_its_own_bucket_and_no_other(stack: Stack) -> None:
    outputs = stack.outputs()
    s3 = stack.client(outputs["milvus_secret_name"])
    s3.list_objects_v2(Bucket=outputs["milvus_bucket"])
    for denied in (outputs["documents_bucket"], "rag-milvus"):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.create_bucket(Bucket="made-by-milvus")


def test_a_tenant_logs_in_to_its_own_database_and_sees_no_other(stack: Stack) -> None:
    with closing(stack.milvus("milvus-red-search", "red")) as milvus:
        assert milvus.list_collections() == []
    with closing(stack.milvus("milvus-red-search")) as milvus, pytest.raises(grpc.RpcError, match="permission deny"):
        milvus.list_collections()


def test_nobody_logs_in_with_the_published_password(stack: Stack) -> None:
    address = stack.lab.kubectl("-n", "rag-e2e", "get", "service", "milvus")["spec"]["clusterIP"]
    with pytest.raises(MilvusException):
        MilvusClient(uri=f"http://{address}:19530", user="root", password="Milvus", timeout=5)


def test_milvus_keeps_what_is_flushed_in_its_bucket(stack: Stack) -> None:
    with closing(stack.milvus("milvus-admin")) as milvus:
        milvus.create_collection("kept", dimension=8)
        milvus.insert("kept", [{"id": number, "vector": [float(number + part) for part in range(8)]} for number in range(100)])
        milvus.flush("kept")
        milvus.drop_collection("kept")
    outputs = stack.outputs()
    found = stack.client(outputs["milvus_secret_name"]).list_objects_v2(Bucket=outputs["milvus_bucket"])["Contents"]
    assert [entry["Key"] for entry in found if "insert_log" in entry["Key"]]


def test_documents_are_versioned_and_milvus_data_is_not(stack: Stack) -> None:
    admin = client(*administrator())
    outputs = stack.outputs()
    assert admin.get_bucket_versioning(Bucket=outputs["documents_bucket"])["Status"] == "Enabled"
    assert admin.get_bucket_versioning(Bucket=outputs["milvus_bucket"]).get("Status") != "Enabled"


def test_the_state_holds_no_key_in_plain_text_and_never_the_administrators(stack: Stack) -> None:
    state = stack.pulumi("stack", "export").output
    secret = stack.lab.kubectl("-n", "rag-e2e", "get", "secret", stack.outputs()["milvus_secret_name"])["data"]
    keys = [base64.b64decode(secret[name]).decode() for name in ("access_key", "secret_key")]
    assert "ciphertext" in state
    assert not [key for key in keys if key in state or base64.b64encode(key.encode()).decode() in state]
    shown = stack.pulumi("stack", "export", "--show-secrets").output
    assert keys[1] in shown, "the search would have found it"
    assert administrator()[1] not in shown


def test_a_passphrase_that_does_not_fit_is_named_with_its_file_and_the_cure(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert stack.up.code == 0
    wrong = tmp_path_factory.mktemp("wrong") / "passphrase"
    wrong.write_text("not this one")
    monkeypatch.setattr(project, "PASSPHRASE", wrong)
    with pytest.raises(LabError, match=r"(?s)passphrase in .* does not fit.*cure: put the passphrase back"):
        project.select(STACK)


@pytest.mark.proof
def test_a_chart_that_is_edited_in_place_is_rolled_out(stack: Stack) -> None:
    (stack.chart / "templates" / "edited.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: edited}\n")
    stack.must("up", "--yes", "--skip-preview")
    assert "edited" in stack.lab.run("kubectl", "-n", "rag-e2e", "get", "configmaps", "-o", "name").output


@pytest.mark.proof
def test_a_rotation_gives_milvus_a_new_key_before_the_store_refuses_the_old_one(stack: Stack) -> None:
    bucket, secret = (stack.outputs()[name] for name in ("milvus_bucket", "milvus_secret_name"))
    before = stack.client(secret)
    stack.configure("object_store.credential_generation", "2")
    stack.must("up", "--yes", "--skip-preview")
    after = stack.client(secret)
    for valid in (before, after):
        valid.list_objects_v2(Bucket=bucket)
    stack.configure("object_store.revoked_generation", "1")
    stack.must("up", "--yes", "--skip-preview")
    after.list_objects_v2(Bucket=bucket)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        before.list_objects_v2(Bucket=bucket)
    stack.must("preview", "--expect-no-changes")


@pytest.mark.proof
def test_an_upgrade_that_a_sigterm_ended_in_the_middle_is_mended_by_the_next_up(stack: Stack) -> None:
    stack.configure("milvus.memory_gib", "3")
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", STACK]
    with subprocess.Popen(command, cwd=REPOSITORY, env=stack.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        while up.poll() is None and not stack.release_is("pending-upgrade"):
            time.sleep(0.5)
        up.terminate()
        printed, _ = up.communicate()
    assert up.returncode != 0, printed.decode()
    stack.must("up", "--yes", "--skip-preview")
    assert stack.release_is("deployed")
    stack.must("preview", "--expect-no-changes")
