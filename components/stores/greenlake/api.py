"""Calls to the API: a token that is renewed once when it expires, patience with a busy service, tasks waited for.

    StoreError
      Refused       the API will not do it; the message is for the operator
        TaskFailed    it began, and failed
    Exception
      Unanswered    nobody knows whether it was done: look, then go on
      Again         nothing was done; the same call may work in a moment

Repeats what can be repeated without harm: everything but a POST that makes something. Of that one nobody knows whether it was done when its
answer is lost, so it is `Unanswered`, and `make_once` looks before it asks again.

Id and secret of the API client are those that whoever runs Pulumi has: GREENLAKE_CLIENT_ID and GREENLAKE_CLIENT_SECRET, both set, or else
`client_id` and `client_secret` of a profile of ~/.greenlake/credentials, or wherever GREENLAKE_CREDENTIALS_FILE says. Never a setting: it
would be in the configuration and in the state.
"""

import configparser
import email.utils
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from components.stores.connection import TABLES, Connection, StoreError
from components.waiting import until

T = TypeVar("T")
_TRIES = 6
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 60.0
_LOOK_TIMEOUT_S, _LONGEST_LOOK_S, _TASK_TIMEOUT_S = 16.0, 4.0, 600.0
_DEFAULT_INTERVAL_S, _SHORTEST_INTERVAL_S = 2.0, 0.1
_PAGE = 100
_PATH = "/object-storage/v1alpha1/devtype7-storage-systems/{system}/"
_GOING_ON = frozenset({"INITIALIZED", "RUNNING", "PAUSED"})
_TASKS = ("/data-services/v1beta1/async-operations/{id}", "/api/v1/tasks/{id}")
"""Where a task is found by its id: the current API, and the older one."""
_VARIABLES = ("GREENLAKE_CLIENT_ID", "GREENLAKE_CLIENT_SECRET")
_UNKNOWN = {"cure": "see the message of the API"}


class Refused(StoreError):  # noqa: N818  reads as what happened
    """The API will not do it."""


class TaskFailed(Refused):
    """It began, and failed."""


class Unanswered(Exception):  # noqa: N818  it is no error yet
    """A call that makes something was sent, and nobody knows whether it was done."""


class Again(Exception):  # noqa: N818  as above
    """Nothing was done; `after_s` seconds later the same call may work, None where the API does not say."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


@dataclass(frozen=True)
class Login:
    """One API client."""

    client_id: str
    client_secret: str = field(repr=False)


class Session:
    """One conversation with the API about one storage system."""

    def __init__(self, http: httpx.Client, api_endpoint: str, token_url: str, system_id: str, login: Login) -> None:
        self._http, self._api, self._token_url, self._login = http, api_endpoint, token_url, login
        self._path = _PATH.format(system=system_id)
        self._token = ""

    def find(self, collection: str, name: str) -> dict[str, Any] | None:
        """Return the item of that name, None where there is none, over all pages of the collection."""
        offset = 0
        while True:
            page = self.ask("GET", collection, f"list {collection}", params={"limit": _PAGE, "offset": offset}).json()
            items: list[dict[str, Any]] = page.get("items") or []
            there = next((item for item in items if item.get("name") == name), None)
            offset += len(items)
            if there is not None or not items or (page.get("total") is not None and offset >= page["total"]):
                return there

    def submit(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> None:
        """Ask for a change and wait for its task; Refused, TaskFailed, or Unanswered for a POST."""
        answer = self.ask(method, path, what, body)
        # where the task is: in a header by the developer guide, in the body by the published structure
        uri = answer.headers.get("Location") or (answer.json() if answer.content else {}).get("taskUri") or ""
        task_id = str(uri).rstrip("/").rpartition("/")[2]
        if not task_id:
            raise StoreError.by_code("greenlake.no_task/unnamed", what=what)
        self._wait_for_task(task_id, what)

    def ask(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes it
        """Return the answer to a call below the storage system that was done; Refused, or Unanswered for a POST."""
        return _require(what, self._call(method, self._path + path, json=body, **more))

    def delete(self, collection: str, name: str, kind: str) -> None:
        """Delete an item by its name, called a `kind` in messages; one that is gone already is no error."""
        if there := self.find(collection, name):
            self.submit("DELETE", f"{collection}/{there['id']}", f"delete the {kind} {name!r}")

    def _wait_for_task(self, task_id: str, what: str) -> None:
        task: dict[str, Any] = {}

        def look() -> str | None:
            task.update(self._task(task_id, what))
            return None if task.get("state") in _GOING_ON else str(task.get("state", "UNSPECIFIED"))

        def pause_s(_: RetryCallState) -> float:
            return max(_SHORTEST_INTERVAL_S, float(task.get("suggestedPollingIntervalSeconds", _DEFAULT_INTERVAL_S)))

        def progress() -> str:
            return f"the task {task_id} is still {task.get('state')} at {task.get('progressPercent')} %"

        try:
            state = until(look, timeout_s=_TASK_TIMEOUT_S, what=lambda: f"{what}: {progress()}", wait=pause_s)
        except TimeoutError:
            raise StoreError.by_code("greenlake.task_late", what=what, progress=progress(), task_timeout_s=_TASK_TIMEOUT_S) from None
        if state != "SUCCEEDED":
            error = task.get("error")
            words = _words(error, "errorCode", "error", "message") if isinstance(error, dict) else str(error or "")
            reason = words or "no reason given"
            raise TaskFailed.by_code("greenlake.task_failed", what=what, task_id=task_id, state=state, reason=reason)

    def _task(self, task_id: str, what: str) -> dict[str, Any]:
        for path in _TASKS:
            answer = self._call("GET", path.format(id=task_id))
            if answer.status_code != httpx.codes.NOT_FOUND:
                task: dict[str, Any] = _require(f"look at the task {task_id}", answer).json()
                return task
        raise StoreError.by_code("greenlake.no_task", what=what, task_id=task_id)

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes it
        """Return whatever the API answers in the end, with a token that it accepts."""

        def with_token() -> httpx.Response:
            if not self._token:
                self._token = _patiently(self._new_token)
            headers = {"Authorization": f"Bearer {self._token}"}
            return self._send(method, self._api + path, repeatable=method != "POST", headers=headers, **request)

        def attempt() -> httpx.Response:
            answer = with_token()
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._token = ""
                answer = with_token()
            return answer

        return _patiently(attempt)

    def _new_token(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": self._login.client_id, "client_secret": self._login.client_secret}
        answer = self._send("POST", self._token_url, repeatable=True, data=form)
        if answer.is_error:
            raise StoreError.by_code(
                "greenlake.no_token", token_url=self._token_url, status_code=answer.status_code, message=_message(answer)
            )
        return str(answer.json()["access_token"])

    def _send(self, method: str, url: str, *, repeatable: bool, **request: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes it
        """Exchange once. Again where nothing was done, or doing it twice does no harm; Unanswered where it may have been done."""
        try:
            answer = self._http.request(method, url, **request)
        except httpx.TransportError as error:
            detail = str(error) or type(error).__name__
            lost = f"{url}: the answer was lost ({detail})"
            if not isinstance(error, httpx.ConnectError):
                raise (Again(lost) if repeatable else Unanswered(lost)) from None
            if "CERTIFICATE" in detail.upper():
                raise StoreError.by_code("greenlake.not_trusted", url=url, detail=detail) from None
            cure = f"Cure: check address, firewall and proxy (HTTPS_PROXY), for example with `curl -v {url}`."
            raise Again(f"{url}: it cannot be reached ({detail}). {cure}") from None
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            busy = f"{url} answers {answer.status_code}: {_message(answer)}"
            raise Unanswered(busy) if answer.is_server_error and not repeatable else Again(busy, _retry_after(answer))
        return answer


def make_once(look: Callable[[], T | None], make: Callable[[], T], what: str) -> T:
    """Return what is there, else make it; after an answer that was lost, look again before making it again."""
    doubt = ""

    def attempt() -> T | None:
        nonlocal doubt
        there = look()
        if there is not None:
            return there
        try:
            return make()
        except Unanswered as error:
            doubt = str(error)
        except Refused:
            if not doubt:  # else the call before, whose answer was lost, may still be at work
                raise
        return None

    try:
        return until(attempt, timeout_s=_LOOK_TIMEOUT_S, wait=wait_exponential(_FIRST_WAIT_S, max=_LONGEST_LOOK_S))
    except TimeoutError:
        raise StoreError.by_code("greenlake.unanswered", what=what, doubt=doubt, look_timeout_s=_LOOK_TIMEOUT_S) from None


def _patiently(call: Callable[[], T]) -> T:
    """Repeat a call while nothing was done; StoreError when patience is at its end."""
    retrying = Retrying(stop=stop_after_attempt(_TRIES), wait=_wait_s, retry=retry_if_exception_type(Again), reraise=True)
    try:
        return retrying(call)
    except Again as error:
        raise StoreError.by_code("greenlake.busy", error=error, tries=_TRIES) from None


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    after_s = error.after_s if isinstance(error, Again) else None
    return min(_LONGEST_WAIT_S, after_s if after_s is not None else _FIRST_WAIT_S * 2**state.attempt_number)


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or as a date."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _require(what: str, answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    status = answer.status_code
    row = TABLES["greenlake"].get(status, _UNKNOWN)
    text = f"cannot {what}: {answer.request.url.host} answers {status}: {_message(answer)}. Cure: {row['cure']}."
    raise Refused(text, code=f"greenlake.refused_{status}", setting=row.get("setting", ""))


def _message(answer: httpx.Response) -> str:
    """Return what an error's body says, in its newer or its older form; never a body that is none of these, which may hold anything."""
    try:
        body: Any = answer.json()
    except ValueError:
        return "no JSON"
    words = _words(body, "errorCode", "message", "error", "error_description") if isinstance(body, dict) else ""
    debug = f" (debugId {body['debugId']})" if words and body.get("debugId") else ""
    return f"{words}{debug}" or "no error of this API"


def _words(body: Mapping[str, Any], *names: str) -> str:
    return ": ".join(body[name] for name in names if isinstance(body.get(name), str) and body[name])


@dataclass(frozen=True, kw_only=True)
class GreenLakeSystem(Connection):
    """A storage system that HPE GreenLake manages, and its S3 API."""

    api_endpoint: str  # https://host of the API, such as https://us-west.api.greenlake.hpe.com
    token_url: str  # https://host/path of the OAuth2 token service
    system_id: str  # serial number of the system
    client_profile: str  # profile with the API client
    api_ca_pem: str  # private CA of the API as PEM text; "" means the public ones

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Talk to the API, as the API client of this machine; StoreError where there is none."""
        context = ssl.create_default_context(cadata=self.api_ca_pem or None)
        with httpx.Client(verify=context, timeout=httpx.Timeout(60, connect=10)) as http:
            yield Session(http, self.api_endpoint, self.token_url, self.system_id, _login(self.client_profile))


def _login(profile: str) -> Login:
    given = [os.environ.get(name, "") for name in _VARIABLES]
    if all(given):
        return Login(*given)
    if any(given):
        raise StoreError.by_code("greenlake.half_client", missing=_VARIABLES[given.index("")])
    path = Path(os.environ.get("GREENLAKE_CREDENTIALS_FILE", "~/.greenlake/credentials")).expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except configparser.Error:
        raise StoreError.by_code("greenlake.no_client/unreadable", path=path, profile=profile) from None
    values = [parser.get(profile, name, fallback="") for name in ("client_id", "client_secret")]
    if not all(values):
        raise StoreError.by_code("greenlake.no_client", profile=profile, path=path, variables=" and ".join(_VARIABLES))
    return Login(*values)
