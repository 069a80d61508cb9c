"""Compares this machine's clock with the Date that the store puts on an answer; signatures die of a difference."""

import http.client
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from validation.checks.storage.context import STORE, StoreContext
from validation.checks.storage.questions import tls
from validation.judge.outcome import Outcome
from validation.run.record import Facts

_REFUSED = timedelta(minutes=15)
"""S3 refuses a signature that is older or newer (RequestTimeTooSkewed)."""
_WARN = timedelta(minutes=1)


@STORE.check("clock", "Do this machine's clock and the store's agree?", after="tls")
def clock(run: StoreContext, _facts: Facts) -> None:
    """Raise BlockedError when no signature could be valid, or what answers is no HTTP server."""
    before = run.now()
    date, server = _ask(run)
    middle = before + (run.now() - before) / 2
    if server:
        run.record.versions["store"] = server
    if date is None:
        run.record.skip("clock", "the store's answer carries no Date")
        return
    skew = middle - date
    seen = f"this machine is {abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta() else 'behind'} the store"
    if abs(skew) >= _REFUSED:
        raise run.record.block(
            "clock",
            seen,
            "the store refuses every signature that is 15 minutes off",
            "set the clock, for example with chrony, on every node",
        )
    if abs(skew) >= _WARN:
        run.record.warn("clock", seen, "at 15 minutes the store refuses every request", "let chrony or another NTP client keep the clock")
    else:
        run.record.ok("clock", seen)


def _ask(run: StoreContext) -> tuple[datetime | None, str]:
    """Send one unsigned HEAD; whatever its status, the answer has a date."""
    aim = run.aim
    connection: http.client.HTTPConnection
    if aim.is_tls:
        connection = http.client.HTTPSConnection(aim.host, aim.port, timeout=aim.limits.timeout_s, context=tls.context(run))
    else:
        connection = http.client.HTTPConnection(aim.host, aim.port, timeout=aim.limits.timeout_s)
    try:
        connection.request("HEAD", "/")
        answer = connection.getresponse()
    except (http.client.HTTPException, ConnectionResetError) as error:
        raise run.record.block(
            "http",
            f"what listens on port {aim.port} does not speak HTTP ({type(error).__name__})",
            "Milvus would not get a single answer",
            f"if it is an https port, write: --endpoint https://{aim.host}:{aim.port}",
        ) from None
    except OSError as error:
        raise run.record.block(
            "http",
            f"the store takes a connection and does not answer ({error})",
            "Milvus would wait for ever",
            "see whether the store is healthy",
            Outcome.UNREACHABLE,
        ) from None
    finally:
        connection.close()
    return _date(answer), answer.getheader("Server", "")


def _date(answer: http.client.HTTPResponse) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.getheader("Date", "")).astimezone(UTC)
    except ValueError:
        return None
