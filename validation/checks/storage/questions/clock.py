"""Compares this machine's clock with the Date that the store puts on an answer; signatures die of a difference."""

import http.client
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from validation.checks.storage.bench import Bench
from validation.checks.storage.questions import tls
from validation.judge.outcome import Outcome

QUESTION = "Do this machine's clock and the store's agree?"
_REFUSED = timedelta(minutes=15)
"""S3 refuses a signature that is older or newer (RequestTimeTooSkewed)."""
_WARN = timedelta(minutes=1)


def run(bench: Bench) -> None:
    """Raise BlockedError when no signature could be valid, or what answers is no HTTP server."""
    before = bench.now()
    date, server = _ask(bench)
    middle = before + (bench.now() - before) / 2
    if server:
        bench.record.versions["store"] = server
    if date is None:
        bench.record.skip("clock", "the store's answer carries no Date")
        return
    skew = middle - date
    seen = f"this machine is {abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta() else 'behind'} the store"
    if abs(skew) >= _REFUSED:
        raise bench.record.block(
            "clock",
            seen,
            "the store refuses every signature that is 15 minutes off",
            "set the clock, for example with chrony, on every node",
        )
    if abs(skew) >= _WARN:
        bench.record.warn("clock", seen, "at 15 minutes the store refuses every request", "let chrony or another NTP client keep the clock")
    else:
        bench.record.ok("clock", seen)


def _ask(bench: Bench) -> tuple[datetime | None, str]:
    """Send one unsigned HEAD; whatever its status, the answer has a date."""
    aim = bench.aim
    connection: http.client.HTTPConnection
    if aim.is_tls:
        connection = http.client.HTTPSConnection(aim.host, aim.port, timeout=aim.limits.timeout_s, context=tls.context(bench))
    else:
        connection = http.client.HTTPConnection(aim.host, aim.port, timeout=aim.limits.timeout_s)
    try:
        connection.request("HEAD", "/")
        answer = connection.getresponse()
    except (http.client.HTTPException, ConnectionResetError) as error:
        raise bench.record.block(
            "http",
            f"what listens on port {aim.port} does not speak HTTP ({type(error).__name__})",
            "Milvus would not get a single answer",
            f"if it is an https port, write: --endpoint https://{aim.host}:{aim.port}",
        ) from None
    except OSError as error:
        raise bench.record.block(
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
