"""A user that can touch one bucket, and its secret.

The API shows a secret once. A run that is killed between making the user and recording the secret leaves a user that nobody can use:
the next run finds it by its name and gives it a new secret. A new secret makes the old one worthless at once, so a rotation makes a
second user instead: see `components.generations`.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from components.dynamic_provider import inputs_of
from components.greenlake import users
from components.greenlake.system import System
from components.s3.provider import StoreProvider

_SECRET_OUTPUTS = ["access_key", "secret_key"]
_GENERATION_BYTES = 6


class GreenLakeCredentialProvider(StoreProvider):
    """Inputs: those of System, `bucket`, `number`, `policy` (IAM document), `owner`. Outputs: the same as found, and the key."""

    identity = "owner"

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Another owner, bucket or number is another user: its name says so."""
        found = super().diff(_id, _olds, _news)
        replaces = [key for key in ("owner", "bucket", "number") if _olds.get(key) != _news.get(key)]
        return dynamic.DiffResult(changes=found.changes, replaces=replaces)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Policy, user, and the one applied to the other; or what an interrupted run of the same stack left of it."""
        inputs = inputs_of(props)
        name = _name(inputs)
        with System.of(inputs).session() as session:
            users.put_policy(session, name, inputs["policy"])
            key = _key(name, users.secret_of(session, name))
            users.apply(session, name)
        return dynamic.CreateResult(name, {**inputs, **key})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone, or what is really there."""
        outputs = inputs_of(props)
        with System.of(outputs).session() as session:
            is_there, policy = users.found(session, id_)
        return dynamic.ReadResult(id_, {**outputs, "policy": policy}) if is_there else dynamic.ReadResult("", {})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Restore policy and its application; the secret stays."""
        inputs = inputs_of(_news)
        with System.of(inputs).session() as session:
            users.put_policy(session, _id, inputs["policy"])
            users.apply(session, _id)
        return dynamic.UpdateResult({**inputs, **{name: _olds[name] for name in (*_SECRET_OUTPUTS, "generation")}})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete user and policy: a credential is no data, so it never outlives its stack."""
        with System.of(_props).session() as session:
            users.remove(session, _id)


class GreenLakeCredential(dynamic.Resource, module="greenlake", name="Credential"):
    """One user on `system`, with the right to do what `policy` says, and its key."""

    access_key: pulumi.Output[str]
    """Secret in the state, like the secret key."""
    secret_key: pulumi.Output[str]
    generation: pulumi.Output[str]
    """Random; changes with the key and tells nothing about it."""

    def __init__(self, name: str, *, system: System, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = {"access_key": None, "secret_key": None, "generation": None}
        secret = pulumi.ResourceOptions(additional_secret_outputs=_SECRET_OUTPUTS)
        everything = {**system.inputs(), **inputs, **outputs}
        super().__init__(GreenLakeCredentialProvider(), name, everything, pulumi.ResourceOptions.merge(opts, secret))


def _name(inputs: Mapping[str, Any]) -> str:
    return users.name_of(inputs["bucket"], inputs["owner"], str(int(inputs["number"])))


def _key(name: str, secret: str) -> dict[str, str]:
    return {"access_key": name, "secret_key": secret, "generation": secrets.token_hex(_GENERATION_BYTES)}
