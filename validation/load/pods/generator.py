"""One generator, in a pod: it takes its share, says that it is ready, begins when all begin, and hands its result in.

It knows its order and nothing else: no key of the store, no token of the cluster. Whatever goes wrong it says in its status and on
stdout, which is the pod's log, and ends with an exit code that is not 0.
"""

import re
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Self

import httpx
import typer
from pydantic import BaseModel, ValidationError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from validation.clients import network
from validation.clients.milvus_login import Login
from validation.clients.milvus_tls import Tls
from validation.judge.errors import GateError, InvalidRunError, UsageError
from validation.load import workers
from validation.load.open_loop import Shot
from validation.load.pods.exchange import PROTOCOL, Order, Result, Status, Word, pack_result, unpack_share
from validation.load.pods.throttling import throttled_s
from validation.load.samples import Samples

STORE_CA, MILVUS_CA, LOGIN = Path("/run/object-store-ca/ca.crt"), Path("/run/milvus-ca/ca.crt"), Path("/run/milvus-login")
"""Where the pod mounts them, where there are any."""
_POLL_S = 0.02
_PATIENCE_S = 300.0
_LEAST_LEAD_S = 0.02
_TIMEOUT_S = 10.0

HELP = """Be one load generator of an Indexed Job. The gate starts these (`run --pods N`); by hand there is nothing to do with it."""


def command(
    orders: Annotated[Path, typer.Argument(help="Directory with INDEX.json, as the pod mounts it.")],
    index: Annotated[int, typer.Option(envvar="JOB_COMPLETION_INDEX", help="Which of them to follow.")],
) -> None:
    """See HELP."""
    try:
        order = _read(orders / f"{index}.json")
        with Mail(order) as mail:
            follow(order, Start(mail, index))
    except GateError as error:
        print(f"load generator {index}: {error}", flush=True)
        raise typer.Exit(3) from None


class Mail:
    """The four objects that the order names."""

    def __init__(self, order: Order, ca_file: Path = STORE_CA) -> None:
        network.bypass_proxies([order.uri, order.share_url])
        trusted = ssl.create_default_context(cafile=str(ca_file)) if ca_file.exists() else True
        self._order = order
        self._client = httpx.Client(verify=trusted, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def share(self) -> bytes:
        """Return what is to be sent."""
        body = self._get(self._order.share_url)
        if body is None:
            raise InvalidRunError("its share is not in the bucket; was the run ended meanwhile?")
        return body

    def word(self) -> Word:
        """Return what the gate said last."""
        body = self._get(self._order.word_url)
        return Word.model_validate_json(body) if body else Word()

    def tell(self, status: Status) -> None:
        """Say how it stands."""
        self._put(self._order.status_url, _text(status))

    def hand_in(self, result: Result) -> None:
        """Give the result."""
        self._put(self._order.result_url, pack_result(result))

    @retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_attempt(3), wait=wait_fixed(0.5), reraise=True)
    def _get(self, url: str) -> bytes | None:
        answer = self._client.get(url)
        return None if answer.status_code == httpx.codes.NOT_FOUND else answer.raise_for_status().content

    @retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_attempt(3), wait=wait_fixed(0.5), reraise=True)
    def _put(self, url: str, body: bytes) -> None:
        self._client.put(url, content=body).raise_for_status()


def _text(message: BaseModel) -> bytes:
    return message.model_dump_json().encode()


def _read(path: Path) -> Order:
    try:
        order = Order.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path} is no order ({error}); gate and image of the suite must be of one version: docs/suite-image.md") from None
    if order.protocol != PROTOCOL:
        spoken = f"the gate speaks version {order.protocol} with its generators, this image version {PROTOCOL}"
        raise UsageError(f"{spoken}: build the image anew, docs/suite-image.md")
    return order


def follow(order: Order, start: "Start") -> None:
    """Do what the order says; whatever it dies of is told first."""
    try:
        start.mail.hand_in(_work(order, start))
    except GateError as error:
        _lament(start.mail, str(error))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate must hear of it
        reason = f"{type(error).__name__}: {_without_query(str(error))}"
        _lament(start.mail, reason)
        raise InvalidRunError(reason) from None


def _lament(mail: Mail, reason: str) -> None:
    with suppress(httpx.HTTPError):
        mail.tell(Status(state="failed", reason=reason))


def _without_query(text: str) -> str:
    """An address that opens an object has no place in a log."""
    return re.sub(r"\?X-Amz\S*", "?...", text)


def _work(order: Order, start: "Start") -> Result:
    share = unpack_share(start.mail.share())
    aim = workers.Aim(
        uri=order.uri,
        database=order.database,
        collection=order.collection,
        search=order.search,
        limit=order.limit,
        login=_login(),
        tls=Tls(ca_file=MILVUS_CA if MILVUS_CA.exists() else None),
    )
    shots = workers.run(aim, [share], start.tell_progress, start=start.agree)
    return start.result(shots, order.search.timeout_ms / 1e3)


def _login() -> Login:
    if not LOGIN.exists():
        return Login()
    user, password = (LOGIN.joinpath(name).read_text(encoding="utf-8") for name in ("username", "password"))
    return Login(user=user, password=password)


class Start:
    """The common start, and what changed in the pod since."""

    def __init__(self, mail: Mail, index: int, clock: Callable[[], float] = time.time) -> None:
        self.mail, self._index, self._clock = mail, index, clock
        self._start_s = 0.0
        self._ahead_s = 0.0
        self._throttled_s: float | None = None

    def agree(self) -> float:
        """Say that all is ready, answer every word at once, and return the start by the monotonic clock, a moment before it."""
        begins_s = self._listen()
        self._ahead_s = self._clock() - time.monotonic()
        self._throttled_s = throttled_s()
        self._start_s = begins_s - self._ahead_s
        left_s = self._start_s - time.monotonic()
        if left_s < _LEAST_LEAD_S:
            raise InvalidRunError(f"it heard of the start {-left_s:.3f} s after it; the store, or this node, is too slow to start together")
        return self._start_s

    def _listen(self) -> float:
        heard = 0
        self.mail.tell(Status(told_at_s=self._clock()))
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            word, now_s = self.mail.word(), self._clock()
            if word.start_s:
                return word.start_s[self._index]
            if word.number > heard:
                heard = word.number
                self.mail.tell(Status(heard=heard, heard_at_s=now_s, told_at_s=self._clock()))
            time.sleep(_POLL_S)
        raise InvalidRunError(f"the gate said no start for {_PATIENCE_S:g} s; it is gone, or waits for another generator")

    def tell_progress(self, done: int) -> None:
        """Say how far it is; not being able to is no reason to stop."""
        with suppress(httpx.HTTPError):
            self.mail.tell(Status(done=done))

    def result(self, shots: Sequence[Shot], timeout_s: float) -> Result:
        """Put together what is handed in."""
        now_s = throttled_s()
        return Result(
            shots=[_from_start(shot, self._start_s) for shot in shots],
            histogram=Samples(shot.counted_s(timeout_s) for shot in shots).encoded(),
            delays=Samples(shot.delay_s for shot in shots).encoded(),
            throttled_s=None if now_s is None or self._throttled_s is None else now_s - self._throttled_s,
            stepped_s=self._clock() - time.monotonic() - self._ahead_s,
        )


def _from_start(shot: Shot, start_s: float) -> Shot:
    return Shot(
        number=shot.number,
        planned_s=shot.planned_s - start_s,
        sent_s=shot.sent_s - start_s,
        ended_s=shot.ended_s - start_s,
        ids=shot.ids,
        error=shot.error,
    )
