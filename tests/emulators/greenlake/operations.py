"""The operations of the published structure: what each does behind, and what it answers."""

import re
from collections.abc import Callable
from typing import Any, Literal

from starlette.requests import Request

from tests.emulators.greenlake.answers import ApiError
from tests.emulators.greenlake.backend import Backend, identity
from tests.emulators.greenlake.tasks import Tasks

Kind = Literal["bucket", "user", "policy"]
PAGE = 10
"""Items a page at most, as small as that to make every client turn pages."""

Answer = tuple[int, Any]
Body = dict[str, Any]
Operation = Callable[[Request, Body], Answer]
_FILTER = re.compile(r"""\s*name eq ["'](?P<name>[^"']*)["']\s*""")


class Operations:
    """Those that the blueprint's driver may need: buckets, users, access policies."""

    def __init__(self, backend: Backend, tasks: Tasks) -> None:
        self.backend, self.tasks = backend, tasks
        self.page = PAGE

    def table(self) -> dict[tuple[str, str], Operation]:
        """By method and path."""
        return {
            ("GET", "/buckets"): self.list_of("bucket"),
            ("POST", "/buckets"): self.make_bucket,
            ("GET", "/buckets/{bucketId}"): self.one_of("bucket", "bucketId"),
            ("PUT", "/buckets/{bucketId}"): self.edit_bucket,
            ("DELETE", "/buckets/{bucketId}"): self.delete_bucket,
            ("GET", "/users"): self.list_of("user"),
            ("POST", "/users"): self.make_user,
            ("GET", "/users/{userId}"): self.one_of("user", "userId"),
            ("PUT", "/users/{userId}"): self.edit_user,
            ("DELETE", "/users/{userId}"): self.delete_user,
            ("GET", "/access-policies"): self.list_of("policy"),
            ("POST", "/access-policies"): self.make_policy,
            ("GET", "/access-policies/{policyId}"): self.one_of("policy", "policyId"),
            ("PUT", "/access-policies/{policyId}"): self.edit_policy,
            ("DELETE", "/access-policies/{policyId}"): self.delete_policy,
            ("PUT", "/apply-policy"): self.apply_policy,
        }

    def _names(self, kind: Kind) -> list[str]:
        return {"bucket": self.backend.buckets, "user": self.backend.users, "policy": self.backend.policies}[kind]()

    def _details(self, kind: Kind, name: str) -> Body:
        return {"bucket": self.backend.bucket, "user": self.backend.user, "policy": self.backend.policy}[kind](name)

    def _name(self, kind: Kind, wanted: str) -> str:
        for name in self._names(kind):
            if identity(kind, name) == wanted:
                return name
        raise ApiError(404, "ERR_RESOURCE_NOT_FOUND", f"no {kind} {wanted}")

    def list_of(self, kind: Kind) -> Operation:
        """Return the operation that lists, page by page."""

        def run(request: Request, _: Body) -> Answer:
            query = request.query_params
            names = _filtered(self._names(kind), query.get("filter", ""))
            limit, offset = min(int(query.get("limit", self.page)), self.page), int(query.get("offset", 0))
            items = [self._details(kind, name) for name in names[offset : offset + limit]]
            return 200, {"items": items, "pageLimit": limit, "pageOffset": offset, "total": len(names)}

        return run

    def one_of(self, kind: Kind, parameter: str) -> Operation:
        """Return the operation that gets one by its id."""
        return lambda request, _: (200, self._details(kind, self._name(kind, request.path_params[parameter])))

    def make_bucket(self, _: Request, body: Body) -> Answer:
        """Submit a new bucket."""
        return 202, self.tasks.submit(lambda: self.backend.make_bucket(body))

    def edit_bucket(self, request: Request, body: Body) -> Answer:
        """Submit a change of tags or compression."""
        name = self._name("bucket", request.path_params["bucketId"])
        return 202, self.tasks.submit(lambda: self.backend.edit_bucket(name, body))

    def delete_bucket(self, request: Request, _: Body) -> Answer:
        """Submit the deletion of an empty bucket."""
        name = self._name("bucket", request.path_params["bucketId"])
        return 202, self.tasks.submit(lambda: self.backend.delete_bucket(name))

    def make_user(self, _: Request, body: Body) -> Answer:
        """Make one at once; the secret is shown this once."""
        if body["name"] in self.backend.users():
            raise ApiError(400, "ERR_RESOURCE_EXISTS", f"user {body['name']} already exists")
        return 201, {"secretKey": self.backend.make_user(body["name"])}

    def edit_user(self, request: Request, body: Body) -> Answer:
        """Give it a new secret at once."""
        name = self._name("user", request.path_params["userId"])
        if not body["resetPassword"]:
            raise ApiError(400, "ERR_BAD_REQUEST", "resetPassword: nothing else can be edited")
        return 201, {"secretKey": self.backend.renew_secret(name)}

    def delete_user(self, request: Request, _: Body) -> Answer:
        """Submit the deletion of a user with its key."""
        name = self._name("user", request.path_params["userId"])
        return 202, self.tasks.submit(lambda: self.backend.delete_user(name))

    def make_policy(self, _: Request, body: Body) -> Answer:
        """Submit a new access policy."""
        return 202, self.tasks.submit(lambda: self.backend.put_policy(body["name"], body, new=True))

    def edit_policy(self, request: Request, body: Body) -> Answer:
        """Submit other statements of an access policy."""
        name = self._name("policy", request.path_params["policyId"])
        return 202, self.tasks.submit(lambda: self.backend.put_policy(name, body, new=False))

    def delete_policy(self, request: Request, _: Body) -> Answer:
        """Submit the deletion of an access policy."""
        name = self._name("policy", request.path_params["policyId"])
        return 202, self.tasks.submit(lambda: self.backend.delete_policy(name))

    def apply_policy(self, _: Request, body: Body) -> Answer:
        """Submit which policies a user has."""
        if body["type"] != "USER" or body["name"] not in self.backend.users():
            raise ApiError(404, "ERR_RESOURCE_NOT_FOUND", f"no {body['type'].lower()} {body['name']}")
        return 202, self.tasks.submit(lambda: self.backend.apply(body["name"], body["policies"]))


def _filtered(names: list[str], text: str) -> list[str]:
    found = _FILTER.fullmatch(text)
    if text and found is None:
        raise ApiError(400, "ERR_BAD_REQUEST", f"filter {text!r} is not understood")
    return names if found is None else [name for name in names if name == found["name"]]
