"""Calls to the API: a token that is renewed once when it expires, patience with a busy service, tasks waited for.

Retries what can be repeated without harm: everything but a POST that makes something. Of that one nobody knows whether it was done
when its answer is lost, so it is `Unanswered`, and the caller looks before it asks again.
"""

import email.utils
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from components.greenlake.errors import Again, Unanswered, refused, said, unreachable
from components.greenlake.login import Login
from components.s3.errors import StoreError

T = TypeVar("T")
_TRIES = 6
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 60.0
_PAGE = 100
_NOT_FOUND, _UNAUTHORIZED, _TOO_MANY, _SERVER_ERROR = 404, 401, 429, 500
_PATH = "/object-storage/v1alpha1/devtype7-storage-systems/{system}/"


class Session:
    """One conversation with the API about one storage system."""

    def __init__(self, http: httpx.Client, api_endpoint: str, token_url: str, system_id: str, login: Login) -> None:
        self._http, self._api, self._token_url, self._login = http, api_endpoint, token_url, login
        self._path = _PATH.format(system=system_id)
        self._token = ""

    def items(self, collection: str) -> Iterator[dict[str, Any]]:
        """Every item of a collection, over all its pages."""
        offset = 0
        while True:
            page = self.ask("GET", collection, f"list {collection}", params={"limit": _PAGE, "offset": offset}).json()
            items = page.get("items") or []
            yield from items
            offset += len(items)
            if not items or (page.get("total") is not None and offset >= page["total"]):
                return

    def find(self, collection: str, name: str) -> dict[str, Any] | None:
        """Item of that name, None where there is none."""
        return next((item for item in self.items(collection) if item.get("name") == name), None)

    def ask(
        self, method: str, path: str, what: str, *, body: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Answer of a call below the storage system that was done; Refused, or Unanswered for a POST."""
        answer = self.call(method, self._api + self._path + path, body=body, params=params)
        if answer.is_error:
            raise refused(what, answer)
        return answer

    def look(self, path: str) -> dict[str, Any] | None:
        """One thing by its path below the API; None where there is none."""
        answer = self.call("GET", self._api + path)
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.is_error:
            raise refused(f"look at {path}", answer)
        found: dict[str, Any] = answer.json()
        return found

    def call(
        self, method: str, url: str, *, body: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Whatever the API answers in the end, with a token that it accepts."""

        def with_token() -> httpx.Response:
            answer = self._once(method, url, json=body, params=params, headers=self._bearer())
            if answer.status_code == _UNAUTHORIZED:
                self._token = ""
                answer = self._once(method, url, json=body, params=params, headers=self._bearer())
            return answer

        return _patiently(with_token)

    def _bearer(self) -> dict[str, str]:
        if not self._token:
            self._token = _patiently(self._new_token)
        return {"Authorization": f"Bearer {self._token}"}

    def _new_token(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": self._login.client_id, "client_secret": self._login.client_secret}
        answer = self._once("PUT-LIKE", self._token_url, data=form)
        if answer.is_error:
            raise StoreError(
                f"{self._token_url}: it gives no token ({answer.status_code}: {said(answer)}). Cure: check client_id and client_secret of "
                f"the API client, whether it has expired, and milvus-x10000:object_store.token_url."
            )
        return str(answer.json()["access_token"])

    def _once(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes it
        """One exchange. PUT-LIKE is a POST that may be repeated: another token does no harm."""
        makes = method == "POST"
        try:
            answer = self._http.request(method if method != "PUT-LIKE" else "POST", url, **request)
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                raise unreachable(url, error) from None
            raise Again(str(unreachable(url, error))) from None
        except httpx.TransportError as error:
            lost = f"{url}: the answer was lost ({str(error) or type(error).__name__})"
            raise (Unanswered(lost) if makes else Again(lost)) from None
        if answer.status_code == _TOO_MANY:
            raise Again(f"{url} answers 429: {said(answer)}", _retry_after(answer))
        if answer.status_code >= _SERVER_ERROR:
            busy = f"{url} answers {answer.status_code}: {said(answer)}"
            raise Unanswered(busy) if makes else Again(busy, _retry_after(answer))
        return answer


def _patiently(call: Callable[[], T]) -> T:
    """Repeat a call while nothing was done; StoreError when patience is at its end."""
    retrying = Retrying(stop=stop_after_attempt(_TRIES), wait=_wait_s, retry=retry_if_exception_type(Again), reraise=True)
    try:
        return retrying(call)
    except Again as error:
        raise StoreError(f"{error} (asked {_TRIES} times). Cure: run `pulumi up` again later; it goes on where this one ended.") from None


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.after_s if isinstance(error, Again) else None
    return min(_LONGEST_WAIT_S, asked if asked is not None else _FIRST_WAIT_S * 2**state.attempt_number)


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for, as a number or as a date."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
