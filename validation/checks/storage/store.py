"""One bucket of the store, seen with one key: signed by boto3, one try a request, and repeated here so that repeats are counted.

A store that is busy (500, 503, SlowDown) is given `patience_s`, and one that cuts a connection four tries. What fails after that is this
request's own failure where a listing is still answered; else the run ends as invalid, or as unreachable.
"""

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, TypeVar, cast

from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from validation.checks.storage.aim import Aim, Style
from validation.checks.storage.record import BlockedError, describe
from validation.clients.documents import Credential, s3_client
from validation.judge.errors import Outcome, text_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client  # stubs only; nothing to import at run time
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_BUSY_STATUS = frozenset({429, 500, 502, 503, 504})
BUSY_CODES = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted"})
_TRIES_WITHOUT_ANSWER = 2
_TRIES_OF_CUT = 4  # a connection that is cut costs no time, unlike one that does not answer
_SHORT_PATIENCE_S = 2.0  # for a request that failed for all of the patience before
FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "EntityTooLarge", "InsufficientCapacity", "XMinioStorageFull"})
"""Codes of a store that takes no more, or nothing so large; some come with the status 403."""
_SCOPE = re.compile(r"/([^/]+)/s3/aws4_request")
CUT = "the connection was cut"
GONE = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)  # of boto3: no whole answer came
_SILENT = (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)
_UNREADABLE = (ResponseParserError, ValueError, TypeError, LookupError, AttributeError)
"""What boto3 raises over an answer that it cannot read."""
_Answer = TypeVar("_Answer")


class WrongError(Exception):
    """The store answered, and did something else or left something out; `tried` is what a Milvus behind such a store did."""

    def __init__(self, seen: str, tried: str = "not tried") -> None:
        super().__init__(seen)
        self.tried = tried


@dataclass
class Shared:
    """What all connections of a run share: when, on the monotonic clock, nothing more is asked, and what had to be repeated."""

    end_s: float = math.inf
    repeats: list[tuple[float, str]] = field(default_factory=list)  # when and why; appended to from many threads, which is atomic


class _Whole(dict[str, Any]):
    """An answer of which every part that is read must be there."""

    def __init__(self, operation: str, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self._operation = operation

    def __missing__(self, name: str) -> Never:
        raise WrongError(f"the answer to {self._operation} lacks {name}")


def code(error: ClientError) -> str:
    """Error code of an answer, such as NoSuchBucket; a HEAD has none, so its status stands there."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def answered(error: ClientError) -> str:
    """Status, code and message, as an operator would look them up."""
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    return f"HTTP {status(error)} {code(error)}" + (f" ({message[:200]})" if message else "")


def is_denied(error: ClientError) -> bool:
    """Whether the key may not do this."""
    return code(error) in {"AccessDenied", "AllAccessDisabled"} or status(error) == 403  # noqa: PLR2004 - HTTP


def is_busy(error: BaseException) -> bool:
    """Whether the store asks to come back later."""
    return isinstance(error, ClientError) and (status(error) in _BUSY_STATUS or code(error) in BUSY_CODES)


class Store:
    """One bucket with one key."""

    def __init__(
        self, aim: Aim, credential: Credential, ca_file: Path | None, shared: Shared | None = None, *, sign_bodies: bool = True
    ) -> None:
        self.aim, self.bucket, self.shared = aim, aim.bucket, shared or Shared()
        self.repeats = self.shared.repeats
        self._request, self._failed = threading.local(), set[str]()
        self._access = credential, ca_file, self.shared
        config = Config(
            connect_timeout=aim.timeout_s,
            read_timeout=aim.timeout_s,
            retries={"total_max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": aim.style.value, "payload_signing_enabled": sign_bodies},
            max_pool_connections=40,
            # checksums are a question of their own, so that a store without them fails that one alone
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self.s3: S3Client = s3_client(aim.endpoint, aim.region, credential, ca_file, config)
        self.signed_for: set[str] = set()
        """Regions that requests were really signed for: boto3 follows a store to another one without a word, Milvus does not."""
        self.s3.meta.events.register("before-send.s3", self._note)

    def in_style(self, style: Style) -> "Store":
        """Return the same bucket, addressed the other way."""
        return Store(replace(self.aim, style=style), *self._access)

    def for_load(self) -> "Store":
        """Return the same bucket for measuring: over TLS bodies are not hashed, as Milvus's client does not, or the hash were measured."""
        return Store(self.aim, *self._access, sign_bodies=not self.aim.is_tls)

    def head(self, key: str) -> "HeadObjectOutputTypeDef":
        """Send one HEAD for an object."""
        return self.ask(lambda s3: s3.head_object(Bucket=self.bucket, Key=key))

    def refusal(self, request: "Callable[[S3Client], object]") -> ClientError | None:
        """Send one request, and return how it is refused."""
        try:
            self.ask(request)
        except ClientError as error:
            return error
        return None

    def ask(self, request: "Callable[[S3Client], _Answer]") -> _Answer:
        """Send one request; a ClientError is a refusal, a WrongError an answer that nobody can use, and BlockedError ends the run."""
        if time.monotonic() > self.shared.end_s:
            raise BlockedError(describe("time", text_of("seen.budget", budget_s=self.aim.budget_s), Outcome.INVALID))
        self._request.operation = "?"
        try:
            answer = self._trying()(request, self.s3)
        except GONE as error:
            if not self._lists():
                seen = f"the store at {self.aim.endpoint} stopped answering ({_short(error)})"
                raise BlockedError(describe("answers.gone", seen, Outcome.UNREACHABLE)) from None
            how = f"no answer within {self.aim.timeout_s:g} s" if isinstance(error, _SILENT) else "the connection is cut"
            seen = f"{self._request.operation} fails in each try: {how} ({_short(error)})"
            raise WrongError(f"{seen}; a listing is answered meanwhile") from None
        except _UNREADABLE as error:
            raise WrongError(f"what answers {self._request.operation} speaks no S3 ({_short(error)})") from None
        except ClientError as error:
            if is_busy(error) and not self._lists():
                seen = f"the store is busy for {self.aim.patience_s:g} s: {error.operation_name} is answered with {answered(error)}"
                raise BlockedError(describe("answers.busy", seen, Outcome.INVALID)) from None
            if is_busy(error):
                self._failed.add(error.operation_name)
            raise
        return cast("_Answer", _Whole(self._request.operation, cast("Any", answer))) if type(answer) is dict else answer

    def _lists(self) -> bool:
        """Whether the store answers a listing, so that what failed is one kind of request and not all of it."""
        operation: str = self._request.operation
        for _ in range(_TRIES_WITHOUT_ANSWER):
            try:
                self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            except ClientError as error:
                return not is_busy(error)
            except (BotoCoreError, *_UNREADABLE):
                continue
            finally:
                self._request.operation = operation
            return operation != "ListObjectsV2"
        return False

    def _note(self, request: Any, event_name: str = "", **_: object) -> None:  # noqa: ANN401 - an event of botocore's
        self._request.operation = event_name.rpartition(".")[2]
        if scope := _SCOPE.search(str(request.headers.get("Authorization", ""))):
            self.signed_for.add(scope[1])

    def _trying(self) -> Retrying:
        def enough(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, GONE):
                return state.attempt_number >= (_TRIES_WITHOUT_ANSWER if isinstance(error, _SILENT) else _TRIES_OF_CUT)
            patience_s = self.aim.patience_s
            if isinstance(error, ClientError) and error.operation_name in self._failed:
                patience_s = min(patience_s, _SHORT_PATIENCE_S)
            return (state.seconds_since_start or 0.0) >= patience_s or time.monotonic() > self.shared.end_s

        def count(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            cut = f"no answer to {self._request.operation}" if isinstance(error, _SILENT) else f"{CUT} in {self._request.operation}"
            self.repeats.append((time.monotonic(), answered(error) if isinstance(error, ClientError) else cut))

        worth_it = retry_if_exception(lambda error: is_busy(error) or isinstance(error, GONE))
        wait = wait_random_exponential(multiplier=0.1, max=2.0)
        return Retrying(stop=enough, wait=wait, retry=worth_it, before_sleep=count, reraise=True)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
