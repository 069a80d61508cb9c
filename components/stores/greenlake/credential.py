"""A user with one access policy of its own: made, changed, found again and removed, each as often as it takes.

User and policy have the same name, which ends with a hash of the owner's mark: whatever is found under it was made by this stack, if need
be in a run that was killed. The API shows a secret once: one that nobody recorded is renewed. A new secret makes the old one worthless at
once, so a rotation makes a second user instead: see `components.generations`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.dynamic_provider import OwnedProvider
from components.random_secret import new_generation
from components.stores import canonical
from components.stores.greenlake.api import GreenLakeSystem, Session, make_once
from components.stores.owned import KEY_OUTPUTS, Credential

_USERS, _POLICIES = "users", "access-policies"
_STEM, _HASH = 28, 8  # 44 characters are the most that HPE's own COSI driver uses


def user_name(bucket: str, owner: str, use: str) -> str:
    """Return the name of a user and its policy: readable, and no other stack's. It is the access key as well."""
    digest = hashlib.sha256(f"{owner}/{bucket}".encode()).hexdigest()[:_HASH]
    return f"{bucket[:_STEM]}_{digest}_{use}"


@dataclass(frozen=True)
class GreenLakeUsers:
    """Users of one system and their policies."""

    session: Session

    def make(self, name: str, document: str) -> str:
        """Make policy and user, or go on with what is there; return the user's secret, a new one for a user that is there."""
        self.put_policy(name, document)
        secret = self.secret(name)
        self.apply(name)
        return secret

    def put_policy(self, name: str, document: str) -> None:
        """Make or change the policy, so that it says what the IAM policy `document` says."""
        allowed = json.loads(document)["Statement"]
        statements = [{"effect": each["Effect"].upper(), "action": each["Action"], "resource": each["Resource"]} for each in allowed]
        body, what = {"version": "2012-10-17", "statement": statements}, f"make the access policy {name!r}"

        def make() -> dict[str, Any]:
            self.session.submit("POST", _POLICIES, what, {"name": name, **body})
            return body

        there = make_once(lambda: self.session.find(_POLICIES, name), make, what)
        if there is not body and _document(there) != document:
            self.session.submit("PUT", f"{_POLICIES}/{there['id']}", f"change the access policy {name!r}", body)

    def secret(self, name: str) -> str:
        """Make the user, or give the one that is there a new secret, since nobody has its old one; return the secret."""

        def ask(method: str, path: str, what: str, body: Mapping[str, Any]) -> str:
            return str(self.session.ask(method, path, f"{what} the user {name!r}", body).json()["secretKey"])

        def renew() -> str | None:
            user = self.session.find(_USERS, name)
            return ask("PUT", f"{_USERS}/{user['id']}", "renew the secret of", {"resetPassword": True}) if user is not None else None

        return make_once(renew, lambda: ask("POST", _USERS, "make", {"name": name}), f"make the user {name!r}")

    def apply(self, name: str) -> None:
        """Let the user do what its policy says."""
        body = {"name": name, "policies": [name], "type": "USER"}
        self.session.submit("PUT", "apply-policy", f"apply the access policy of the user {name!r}", body)

    def find(self, name: str) -> str | None:
        """Return the user's policy as an IAM document, "" where it has none; None where there is no such user."""
        user, policy = self.session.find(_USERS, name), self.session.find(_POLICIES, name)
        if user is None:
            return None
        applied = str(user.get("policyName") or name)
        return _document(policy) if policy is not None and name in applied else ""

    def remove(self, name: str) -> None:
        """Remove user and policy; what is gone already is no error."""
        self.session.delete(_USERS, name, "user")
        self.session.delete(_POLICIES, name, "access policy")


class GreenLakeCredentialProvider(OwnedProvider[GreenLakeUsers]):
    """Inputs: those of GreenLakeSystem, `bucket`, `number`, `policy` (IAM document), `owner`. Outputs: the same as found, and the key."""

    kind = "user"
    identity = ("owner", "bucket", "number")

    @contextmanager
    def _open(self, inputs: Mapping[str, Any], _action: str) -> Iterator[GreenLakeUsers]:
        """Open the API: each call says what it was about."""
        with GreenLakeSystem.of(inputs).session() as session:
            yield GreenLakeUsers(session)

    def _name(self, inputs: Mapping[str, Any]) -> str:
        return user_name(inputs["bucket"], inputs["owner"], str(int(inputs["number"])))

    def _make(self, api: GreenLakeUsers, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
        return {"access_key": name, "secret_key": api.make(name, inputs["policy"]), "generation": new_generation()}

    def _look(self, api: GreenLakeUsers, name: str, _outputs: dict[str, Any]) -> Mapping[str, Any] | None:
        policy = api.find(name)
        return None if policy is None else {"policy": policy}

    def _change(self, api: GreenLakeUsers, name: str, inputs: dict[str, Any], olds: Mapping[str, Any]) -> Mapping[str, Any]:
        api.put_policy(name, inputs["policy"])
        api.apply(name)
        return {key: olds[key] for key in (*KEY_OUTPUTS, "generation")}

    def _remove(self, api: GreenLakeUsers, name: str, _outputs: Mapping[str, Any]) -> None:
        """A credential is no data, so it never outlives its stack."""
        api.remove(name)


class GreenLakeCredential(Credential, module="greenlake", name="Credential"):
    """One user on an X10000, and its key."""


def _document(policy: Mapping[str, Any]) -> str:
    """Return the IAM policy as canonical JSON, of a policy in the API's words."""
    effects = [(str(each.get("effect", "")).title(), each) for each in policy.get("statement") or []]
    statements = [{"Effect": effect, "Action": each.get("action"), "Resource": each.get("resource")} for effect, each in effects]
    return canonical({"Version": policy.get("version"), "Statement": statements})
