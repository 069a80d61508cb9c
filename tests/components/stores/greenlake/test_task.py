"""Where the API says that a task is: in the header Location by the developer guide, in the body by the published structure."""

from typing import Any

import httpx
import pytest

from components.stores import StoreError
from components.stores.greenlake.api import Login, Session

TASK = "/data-services/v1beta1/async-operations/task-1"


def session(accepted: httpx.Response, asked: list[str]) -> Session:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t"})
        return httpx.Response(200, json={"state": "SUCCEEDED"}) if request.url.path == TASK else accepted

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Session(http, "https://api", "https://api/token", "8UW", Login("id", "secret"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Location": f"https://api{TASK}"}, None),
        ({"Location": TASK}, {"message": "Successfully submitted"}),
        ({}, {"taskUri": TASK}),
        ({}, {"taskUri": f"{TASK}/"}),
    ],
)
def test_a_task_is_found_wherever_the_api_names_it(headers: dict[str, str], body: dict[str, Any] | None) -> None:
    asked: list[str] = []
    accepted = httpx.Response(202, headers=headers, json=body) if body is not None else httpx.Response(202, headers=headers)
    session(accepted, asked).submit("PUT", "apply-policy", "apply it", {})
    assert asked[-1] == TASK


def test_a_call_that_was_accepted_without_a_task_says_where_to_look() -> None:
    with pytest.raises(StoreError, match=r"cannot apply it: .*names no task") as refused:
        session(httpx.Response(202, json={}), []).submit("PUT", "apply-policy", "apply it", {})
    assert refused.value.code == "greenlake.no_task"
