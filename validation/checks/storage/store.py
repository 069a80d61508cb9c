"""One bucket of the store, seen with one key: signed by boto3, one try a request, and repeated here so that repeats are counted.

A store that says it is busy (500, 503, SlowDown) is given `patience_s`; one that stops answering ends the run as unreachable.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError  # noqa: A004 - boto's own name
from botocore.parsers import ResponseParserError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from validation.checks.storage.aim import Aim
from validation.checks.storage.options import Style
from validation.checks.storage.record import BlockedError, Finding
from validation.clients.documents import Credential, s3_client
from validation.judge.outcome import Outcome

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client  # stubs only; nothing to import at run time

_BUSY_STATUS = frozenset({429, 500, 502, 503, 504})
_BUSY_CODES = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted"})
_TRIES_WITHOUT_ANSWER = 2
_LONGEST_WAIT_S = 2.0
_CONNECTIONS = 40
_SCOPE = re.compile(r"/([^/]+)/s3/aws4_request")
GONE = (ConnectionError, HTTPClientError, IncompleteReadError)
"""What boto3 raises when no whole answer came."""
_Answer = TypeVar("_Answer")


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
    return isinstance(error, ClientError) and (status(error) in _BUSY_STATUS or code(error) in _BUSY_CODES)


class Store:
    """One bucket with one key."""

    def __init__(
        self, aim: Aim, credential: Credential, ca_file: Path | None, style: Style | None = None, *, sign_bodies: bool = True
    ) -> None:
        self.aim = aim
        self.bucket = aim.bucket
        self.repeats = list[tuple[float, str]]()
        """When, on the monotonic clock, and why a request had to be repeated; appended to from many threads, which is atomic."""
        self._credential = credential
        self._ca_file = ca_file
        self.s3: S3Client = _client(aim, credential, ca_file, style or aim.style, sign_bodies=sign_bodies)
        self.signed_for: set[str] = set()
        """Regions that requests were really signed for: boto3 follows a store to another one without a word, Milvus does not."""
        self.s3.meta.events.register("before-send.s3", self._note_region)

    def in_style(self, style: Style) -> "Store":
        """Return the same bucket, addressed the other way."""
        return Store(self.aim, self._credential, self._ca_file, style)

    def for_load(self) -> "Store":
        """Return the same bucket for measuring: over TLS bodies are not hashed, as Milvus's client does not, or the hash were measured."""
        return Store(self.aim, self._credential, self._ca_file, sign_bodies=not self.aim.is_tls)

    def ask(self, request: "Callable[[S3Client], _Answer]") -> _Answer:
        """Send one request; a ClientError is the store's answer, everything else that goes wrong ends the run."""
        try:
            return self._trying()(request, self.s3)
        except GONE as error:
            finding = self._gone(error)
        except ResponseParserError as error:
            finding = self._not_s3(error)
        except ClientError as error:
            if not is_busy(error):
                raise
            finding = self._busy(error)
        raise BlockedError(finding)

    def _note_region(self, request: Any, **_: object) -> None:  # noqa: ANN401 - an event of botocore's
        if scope := _SCOPE.search(str(request.headers.get("Authorization", ""))):
            self.signed_for.add(scope[1])

    def _trying(self) -> Retrying:
        def worth_it(error: BaseException) -> bool:
            return is_busy(error) or isinstance(error, GONE)

        def enough(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, GONE):
                return state.attempt_number >= _TRIES_WITHOUT_ANSWER
            return (state.seconds_since_start or 0.0) >= self.aim.patience_s

        def count(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            reason = answered(error) if isinstance(error, ClientError) else type(error).__name__
            self.repeats.append((time.monotonic(), reason))

        wait = wait_random_exponential(multiplier=0.1, max=_LONGEST_WAIT_S)
        return Retrying(stop=enough, wait=wait, retry=retry_if_exception(worth_it), before_sleep=count, reraise=True)

    def _gone(self, error: Exception) -> Finding:
        seen = f"the store at {self.aim.endpoint} stopped answering ({type(error).__name__}: {_short(error)})"
        consequence = "Milvus would wait and repeat, and neither ingest nor load anything"
        cure = "see whether the store is up and the way to it is free, then run the preflight again"
        return Finding(name="answers", outcome=Outcome.UNREACHABLE, seen=seen, consequence=consequence, cure=cure)

    def _not_s3(self, error: Exception) -> Finding:
        seen = f"what answers at {self.aim.endpoint} speaks no S3 ({_short(error)})"
        cure = "give the address of the S3 API, not that of a console or a proxy: --endpoint https://HOST:PORT"
        return Finding(name="s3_api", outcome=Outcome.FAIL, seen=seen, consequence="Milvus would not start", cure=cure)

    def _busy(self, error: ClientError) -> Finding:
        seen = f"the store said that it is busy for {self.aim.patience_s:g} s: {answered(error)}"
        consequence = "nothing that it answers in this state says how it would serve Milvus"
        cure = "wait until its load is over, or look at its health; --patience-s waits longer"
        return Finding(name="answers", outcome=Outcome.INVALID, seen=seen, consequence=consequence, cure=cure)


def _client(aim: Aim, credential: Credential, ca_file: Path | None, style: Style, *, sign_bodies: bool) -> "S3Client":
    config = Config(
        connect_timeout=aim.timeout_s,
        read_timeout=aim.timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        s3={"addressing_style": style.value, "payload_signing_enabled": sign_bodies},
        max_pool_connections=_CONNECTIONS,
        # checksums are a question of their own, so that a store without them fails that one alone
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return s3_client(aim.endpoint, aim.region, credential, ca_file, config)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
