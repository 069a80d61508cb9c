"""A user with one access policy of its own: made, changed, found again and taken away, each as often as it takes.

User and policy have the same name, which tells whose they are: it ends with a hash of the owner's mark. So whatever is found under it
was made by this stack, if need be in a run that was killed, and a secret that nobody recorded is renewed. The user's name is its
access key. Longer names than HPE's own COSI driver uses (44 characters) are not tried.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.greenlake.making import done, once
from components.greenlake.session import Session
from components.s3 import policy as policies

_USERS, _POLICIES = "users", "access-policies"
_STEM, _HASH = 28, 8
_EFFECTS = {"Allow": "ALLOW", "Deny": "DENY"}


def name_of(bucket: str, owner: str, use: str) -> str:
    """Name of a user and its policy: readable, and no other stack's."""
    digest = hashlib.sha256(f"{owner}/{bucket}".encode()).hexdigest()[:_HASH]
    return f"{bucket[:_STEM]}_{digest}_{use}"


def put_policy(session: Session, name: str, document: str) -> None:
    """Make or change the policy, so that it says what the IAM policy `document` says."""
    body = {"version": "2012-10-17", "statement": _to_api(document)}

    def make() -> dict[str, Any]:
        what = f"make the access policy {name!r}"
        done(session, session.ask("POST", _POLICIES, what, body={"name": name, **body}).json(), what)
        return body

    found = once(lambda: session.find(_POLICIES, name), make, f"make the access policy {name!r}")
    if found is not body and document_of(found) != document:
        what = f"change the access policy {name!r}"
        done(session, session.ask("PUT", f"{_POLICIES}/{found['id']}", what, body=body).json(), what)


def secret_of(session: Session, name: str) -> str:
    """Make the user, or give the one that is there a new secret, since nobody has its old one; return the secret."""

    def renew() -> str | None:
        found = session.find(_USERS, name)
        if found is None:
            return None
        answer = session.ask("PUT", f"{_USERS}/{found['id']}", f"renew the secret of the user {name!r}", body={"resetPassword": True})
        return str(answer.json()["secretKey"])

    def make() -> str:
        return str(session.ask("POST", _USERS, f"make the user {name!r}", body={"name": name}).json()["secretKey"])

    return once(renew, make, f"make the user {name!r}")


def apply(session: Session, name: str) -> None:
    """Let the user do what its policy says."""
    what = f"apply the access policy of the user {name!r}"
    done(session, session.ask("PUT", "apply-policy", what, body={"name": name, "policies": [name], "type": "USER"}).json(), what)


def remove(session: Session, name: str) -> None:
    """Take user and policy away; what is gone already is no error."""
    for collection, kind in ((_USERS, "user"), (_POLICIES, "access policy")):
        found = session.find(collection, name)
        if found is not None:
            what = f"delete the {kind} {name!r}"
            done(session, session.ask("DELETE", f"{collection}/{found['id']}", what).json(), what)


def found(session: Session, name: str) -> tuple[bool, str]:
    """Whether the user is there, and its policy as an IAM document, "" where it has none."""
    user = session.find(_USERS, name)
    policy = session.find(_POLICIES, name)
    other = bool(user and user.get("policyName") and name not in str(user["policyName"]))
    return user is not None, "" if policy is None or other else document_of(policy)


def _to_api(document: str) -> list[dict[str, Any]]:
    statements = json.loads(document)["Statement"]
    return [{"effect": _EFFECTS[one["Effect"]], "action": one["Action"], "resource": one["Resource"]} for one in statements]


def document_of(policy: Mapping[str, Any]) -> str:
    """IAM policy as canonical JSON, of a policy in the API's words."""
    statements = [
        {"Effect": str(one.get("effect", "")).title(), "Action": one.get("action"), "Resource": one.get("resource")}
        for one in policy.get("statement") or []
    ]
    return policies.canonical({"Version": policy.get("version"), "Statement": statements})
